"""Object stores with the API of S3: sources are streamed from them, finished releases delivered and fetched.

`deid.sources` reads by `files`; `deid open`, `verify` and `attack` fetch by `fetching`; `deid deliver` writes by
`delivery`, and `deid stores` cleans by `leftovers`. Below them: `place` what is named, `settings` what the environment
says, `reading` by pyarrow, `writing` by boto3, `faults` what a refusal means. docs/formats/stores.md specifies them.
"""
