"""The style sheet of report.html: calm on a screen, in light and dark, and plain on paper."""

CSS = """
:root{color-scheme:light dark;--paper:#fcfcfa;--ink:#1d2530;--soft:#566072;--line:#d9dce1;--tint:#f1f2ef;
--accent:#2f5d7c;--over:#9b3a2f;--good:#2c6148;--track:#e7e9e8;
--s0:#f3f5f6;--s1:#dfe6ea;--s2:#c3d1da;--s3:#9db5c4;--s4:#4d758e;--s5:#3c6582;--s6:#1f425c;--on:#ffffff;--off:#1d2530}
@media (prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e6e8ea;--soft:#a4adb8;--line:#343b44;--tint:#1c2229;
--accent:#8fb8d2;--over:#eda093;--good:#93cbb0;--track:#272e36;
--s0:#232a32;--s1:#2b3641;--s2:#36485a;--s3:#46627a;--s4:#86aac2;--s5:#a9c5d7;--s6:#cfe0eb;--on:#14181d;--off:#e6e8ea}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 Charter,"Bitstream Charter","Sitka Text",Cambria,
Georgia,serif;font-variant-numeric:lining-nums tabular-nums}
header,main,nav,footer{max-width:56rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:3.5rem}
h1{font-size:2rem;line-height:1.2;font-weight:600;margin:0 0 .35rem;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:1.35rem;font-weight:600;line-height:1.3;margin:0 0 .5rem}
h3{font-size:1.02rem;font-weight:600;margin:2rem 0 .4rem}
p{margin:.5rem 0;max-width:42rem}
a{color:var(--accent);text-underline-offset:.15em}
.kicker,nav,dt,th,caption,figcaption,svg text,.badge,footer,.slots,.tile b+span{font-family:system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.kicker{color:var(--soft);font-size:.85rem;letter-spacing:.02em;margin:0 0 .6rem}
.lead{font-size:1.1rem;color:var(--soft);max-width:40rem}
.verdict{border-left:4px solid var(--good);background:var(--tint);padding:.9rem 1.1rem;margin:1.6rem 0;
border-radius:0 4px 4px 0}
.verdict.failed{border-left-color:var(--over)}
.verdict.open{border-left-color:var(--soft)}
.verdict,.verdict.passed,.verdict.failed,.verdict.open{color:var(--ink)}.verdict p{margin:.15rem 0}
.verdict.passed strong{color:var(--good)}.verdict.failed strong{color:var(--over)}
nav{font-size:.9rem}
nav li{break-inside:avoid}
nav h2{font-size:.8rem;font-weight:600;color:var(--soft);margin:1.5rem 0 .4rem}
nav ol{columns:3 14rem;column-gap:2rem;margin:0;line-height:1.75;padding:0 0 1.2rem 1.6rem;
border-bottom:1px solid var(--line)}
section{padding:2.6rem 0 .6rem;border-bottom:1px solid var(--line);scroll-margin-top:1rem}
section:last-of-type{border-bottom:0}
.for{color:var(--soft);font-size:.92rem;margin-top:0}
.none{color:var(--soft);font-style:italic}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1px;background:var(--line);
border:1px solid var(--line);border-radius:4px;overflow:hidden;margin:1.2rem 0}
.tile{background:var(--paper);padding:.8rem 1rem}
.tile b{display:block;font-size:1.5rem;font-weight:600;line-height:1.25}
.tile span{color:var(--soft);font-size:.82rem;display:block;line-height:1.35}
.scroll{overflow-x:auto;margin:1rem 0 1.4rem}
.scroll:focus-visible,a:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.9rem;line-height:1.4}
caption{text-align:left;font-size:.8rem;color:var(--soft);padding:0 0 .4rem}
th{font-size:.78rem;font-weight:600;text-align:left}
thead th{color:var(--soft);border-bottom:1.5px solid var(--ink);vertical-align:bottom;white-space:nowrap}
tbody th{font-weight:500;font-size:.84rem}tbody th code{white-space:nowrap}
th,td{padding:.42rem .8rem .42rem 0;vertical-align:top;border-bottom:1px solid var(--line)}
tbody tr:last-child>*{border-bottom:0}
.n{text-align:right;white-space:nowrap}
td.n{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-size:.86rem}
.badge{display:inline-block;font-size:.76rem;font-weight:600;line-height:1.3;padding:.12rem .5rem;border-radius:3px;
border:1.5px solid currentColor;white-space:nowrap}
.passed{color:var(--good)}.failed{color:var(--over)}.open{color:var(--soft)}
td .badge.failed{background:var(--over);border-color:var(--over);color:var(--paper)}
dl{margin:1rem 0;display:grid;gap:.1rem 2rem;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr))}
dl>div{display:grid;grid-template-columns:9rem 1fr;gap:.8rem;padding:.35rem 0;border-bottom:1px solid var(--line)}
dt{font-size:.8rem;color:var(--soft);padding-top:.15rem}
dd{margin:0;overflow-wrap:anywhere}
code{font:.86em/1.4 ui-monospace,"SF Mono",Menlo,Consolas,monospace;overflow-wrap:anywhere}
figure{margin:1.3rem 0 1.6rem;break-inside:avoid}
figure svg{width:100%;height:auto;display:block}
figcaption{font-size:.8rem;color:var(--soft);margin-top:.35rem}
svg text{font-size:12px;fill:var(--ink)}
svg .figure{font-weight:600}svg .axis-name{fill:var(--soft);font-size:11px}svg .note{font-size:10px}
svg .light{fill:var(--on)}svg .dark{fill:var(--off)}
.track{fill:var(--track)}.bar{fill:var(--s5)}.axis{stroke:var(--soft);stroke-width:1}
.limit{stroke:var(--over);stroke-width:2.5}.hatch{stroke:var(--paper);stroke-width:2}.over-fill{fill:var(--over)}
.cell{stroke:var(--line);stroke-width:1}.cell.over{stroke:var(--over);stroke-width:3}
.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}.s3{fill:var(--s3)}.s4{fill:var(--s4)}
.s5{fill:var(--s5)}.s6{fill:var(--s6)}
ul{padding-left:1.2rem;max-width:42rem}li{margin:.25rem 0}
.slots{display:grid;grid-template-columns:1fr 1fr;gap:2.2rem 2.5rem;margin:2.4rem 0 1.6rem;font-size:.8rem;
color:var(--soft)}
.slots div{border-top:1px solid var(--ink);padding-top:.35rem;min-height:2.6rem}
.slots b{display:block;color:var(--ink);font-weight:500;font-size:.95rem}
footer{color:var(--soft);font-size:.8rem;padding-top:1.4rem;padding-bottom:4rem}
@media (max-width:40rem){header{padding-top:2rem}h1{font-size:1.6rem}.slots{grid-template-columns:1fr}
dl>div{grid-template-columns:1fr;gap:0}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--tint:#f4f4f4;--accent:#000;
--over:#000;--good:#000;--track:#e9e9e9;--s0:#f7f7f7;--s1:#e6e6e6;--s2:#cfcfcf;--s3:#b0b0b0;--s4:#707070;--s5:#505050;
--s6:#2a2a2a;--on:#fff;--off:#000}
@page{margin:18mm 16mm}
body{font-size:10pt;line-height:1.45}
header,main,nav,footer{max-width:none;padding-left:0;padding-right:0}header{padding-top:0}
section{padding:1.4rem 0 .4rem}h2,h3,caption{break-after:avoid}tr,.tile,.verdict,.slots{break-inside:avoid}
thead{display:table-header-group}thead th{white-space:normal}table{font-size:.82rem}th,td{padding-right:.5rem}
tbody tr:first-child{break-before:avoid}#determination,footer{break-inside:avoid}.for{break-after:avoid}
td code{overflow-wrap:break-word}td:last-child{min-width:6.5rem}td.n:last-child{min-width:0}footer{padding-bottom:0}
.scroll{overflow:visible}nav ol{columns:2}a{text-decoration:none}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
