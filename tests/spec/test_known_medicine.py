# ruff: noqa: RUF001 - a typographic apostrophe is among the examples
"""A patient who is called like an illness, a device, a month or any other word does not lose the medicine."""

from __future__ import annotations

import pytest
from note_engine import known, without_known

# surname or given name of the patient | a sentence in which it means something else
MEDICINE = """
    Graves      | Graves disease on methimazole, euthyroid for two years.
    Graves      | History of Graves' disease with Graves' ophthalmopathy.
    Graves      | She was treated for Graves’ eye disease with steroids.
    Graves      | GRAVES DISEASE, STATUS POST RADIOIODINE.
    Graves      | Thyroid storm in the setting of graves disease.
    Graves      | Graves-Basedow disease was considered.
    Bell        | Bell's palsy on the left, resolving.
    Bell        | Acute Bell palsy without other deficits.
    Bell        | No Bell phenomenon was seen.
    Bell        | Left bell's palsy; the call bell is within reach.
    Ward        | Transferred to Ward 4 in stable condition.
    Ward        | Admitted to the ward from the emergency department.
    Ward        | The Ward team will follow tomorrow.
    Ward        | Ward rounds at 8.
    Ward        | Moved to Ward B overnight.
    May         | Return to clinic on May 5 for suture removal.
    May         | May resume regular diet tomorrow.
    May         | May be discharged when tolerating liquids.
    May         | Symptoms may worsen with exertion.
    May         | Seen on 5 May with fever.
    May         | May, 2021: echocardiogram unchanged.
    May         | May need dialysis if creatinine rises.
    May         | PATIENT MAY SHOWER IN TWO DAYS.
    Pain        | Pain 4/10, worse with movement.
    Pain        | Chest pain for three hours; Pain is sharp.
    Pain        | PAIN: controlled on oxycodone.
    Pain        | Abdominal Pain, Nausea, Vomiting.
    Pain        | Pain management was consulted.
    Pain        | Back Pain improved with physical therapy.
    Pain        | Denies Pain at rest.
    Pain        | Assessment: Pain, uncontrolled.
    Foley       | Foley catheter placed without difficulty.
    Foley       | The Foley was removed on day 2.
    Foley       | Foley removed at noon, voiding well.
    Foley       | Indwelling Foley draining clear urine.
    Foley       | foley to gravity, 300 mL out.
    Foley       | Remove Foley catheter in the morning.
    Long        | Long-standing hypertension, well controlled.
    Long        | Long term use of anticoagulants.
    Long        | Long discussion with the family about goals of care.
    Long        | Long QT syndrome was ruled out.
    Long        | LONG TERM CARE FACILITY PLACEMENT.
    Long        | Tear of the long head of the biceps.
    Young       | Young woman in no acute distress.
    Young       | Young adult with new onset seizures.
    Young       | She has two young children.
    Will        | Will follow up in two weeks.
    Will        | Will continue lisinopril 10 mg daily.
    Will        | Patient will call if symptoms recur.
    Will        | WILL REPEAT LABS IN THE MORNING.
    Will        | Plan: Will obtain an MRI of the brain.
    Will        | He has a living will.
    White       | White blood cell count 12.4.
    White       | A 45-year-old White male with chest pain.
    White       | White matter changes on MRI.
    White       | Thick white sputum; White count normal.
    White       | Non-Hispanic White woman.
    White       | Wolff-Parkinson-White syndrome on the tracing.
    Black       | Black stools for two days.
    Black       | 60-year-old Black woman with sickle cell trait.
    Black       | BLACK STOOL NOTED OVERNIGHT.
    Brown       | Brown-Sequard syndrome after the injury.
    Brown       | Brown recluse bite on the forearm.
    Brown       | Coughing up thick brown sputum.
    Green       | Green sputum for a week.
    Green       | Emesis was green and watery.
    Parkinson   | Parkinson disease, tremor dominant.
    Parkinson   | Parkinson's disease since 2015, on levodopa.
    Parkinson   | parkinson disease is stable.
    Crohn       | Crohn's disease of the terminal ileum.
    Crohn       | Crohn disease in remission.
    Hodgkin     | Hodgkin lymphoma, stage IIA.
    Hodgkin     | Non-Hodgkin lymphoma in remission.
    Hodgkin     | Hodgkin's lymphoma in 2003.
    Cushing     | Cushing syndrome was excluded by suppression testing.
    Cushing     | Cushing's triad was absent.
    Addison     | Addison's disease on hydrocortisone.
    Baker       | Baker's cyst behind the right knee.
    Baker       | Ruptured Baker cyst on ultrasound.
    Wilson      | Wilson disease was ruled out; ceruloplasmin normal.
    Wilson      | Wilson's disease in a cousin.
    Murphy      | Murphy sign negative, abdomen soft.
    Murphy      | Positive Murphy's sign.
    Romberg     | Romberg sign negative, gait steady.
    Babinski    | Babinski reflex absent bilaterally.
    Horner      | Horner syndrome on the right.
    Marfan      | Marfan syndrome with aortic root dilation.
    Down        | Down syndrome with repaired septal defect.
    Down        | Lay down for ten minutes; blood pressure went down.
    Turner      | Turner syndrome diagnosed in adolescence.
    Hunter      | Hunter syndrome on enzyme replacement.
    Huntington  | Huntington disease in her father.
    Alzheimer   | Alzheimer's disease, moderate.
    Hashimoto   | Hashimoto thyroiditis on levothyroxine.
    Raynaud     | Raynaud phenomenon of both hands.
    Tinel       | Tinel sign positive at the wrist.
    Phalen      | Phalen's maneuver negative.
    Jackson     | Jackson-Pratt drain with serous output.
    Hickman     | Hickman catheter flushed.
    Swan        | Swan-Ganz catheter in the right pulmonary artery.
    Miller      | Intubated with a Miller blade.
    Page        | Page 2 of 3.
    Page        | Continued on next page.
    Head        | Head: normocephalic, atraumatic.
    Head        | CT Head without contrast.
    Hand        | Right Hand: swelling of the second digit.
    Hand        | Hand surgery was consulted.
    Back        | Back: no tenderness over the spine.
    Back        | Back pain improved.
    Blood       | Blood pressure 120/80.
    Blood       | Blood cultures drawn twice.
    Bone        | Bone density scan due next year.
    Skin        | Skin: warm and dry.
    Cord        | Cord compression was excluded.
    Rich        | Rich in fiber, low in salt.
    Frank       | Frank blood per rectum.
    Frank       | Frank discussion about prognosis.
    Grant       | Grant access to the chart for the daughter.
    Chase       | Give the dose with a saline chase.
    Mark        | Mark the surgical site.
    Bill        | Bill the visit to insurance.
    Sue         | She intends to sue.
    Pat         | Pat dry after bathing.
    Drew        | Drew blood cultures before antibiotics.
    Hope        | Hope this is helpful to you.
    Grace       | The grace period ends next month.
    Joy         | Little joy in daily activities.
    Rose        | Creatinine rose to 1.8.
    Ray         | X-Ray of the chest: clear.
    Gene        | Gene testing was declined.
    Sharp       | Sharp pain in the left flank.
    Stern       | Stern warnings about driving were given.
    Strong      | Strong family history of breast cancer.
    Short       | Short acting insulin with meals.
    Small       | Small bowel obstruction, resolved.
    Little      | Little change since the last visit.
    Major       | Major depressive disorder, recurrent.
    Day         | Day 3 after surgery, doing well.
    Day         | Discharged to Day program.
    Weeks       | Weeks of fatigue and weight loss.
    Still       | Still smoking one pack a day.
    Early       | Early ambulation encouraged.
    Case        | Case discussed with the surgical team.
    Case        | Case management to arrange transport.
    Price       | The price of the inhaler is a barrier.
    Fall        | Fall risk, bed alarm on.
    Walker      | Ambulates with a rolling walker.
    Cane        | Uses a cane for long distances.
    Glass       | Glass in the wound was removed.
    Stone       | Stone in the left ureter, 4 mm.
    Stone       | Kidney stone passed.
    Love        | The children love their new school.
    Wood        | Wood lamp examination negative.
    Hill        | Hill-Sachs lesion of the humeral head.
    King        | Placed a King airway in the field.
    Robert      | Rob the joint of its motion. To rob, one must bob.
    Edward      | Seen in the ED with chest pain.
    Edward      | ED course: two liters of saline.
    Margaret    | PEG tube in place, feeding at goal.
    Albert      | Smith et al. described this in 2004.
    Maximilian  | Titrate to max dose, 40 mg/day max.
    Theodore    | TED stockings on both legs.
    Patricia    | Pat dry and apply ointment.
    William     | Will refer to cardiology.
    Richard     | Rich food provokes the pain.
    Arthur      | Started ART for HIV.
    Patrick     | PAT screening before surgery.
    Catherine   | CAT scan of the abdomen.
    Colin       | Colon cancer screening is due.
    Colin       | Colonoscopy was normal.
    Marcus      | Mucus in the stool.
    Martin      | Margin of the resected specimen is clear.
    Carlson     | Carbon dioxide 28.
    Nolan       | Nodal metastasis was absent.
    Sterling    | Sterile dressing applied.
    Warren      | Warfarin 5 mg daily.
    Harper      | Heparin drip started.
    Renaldo     | Renal panel within normal limits.
    Carina      | The carina is sharp.
    Angelina    | Angina at rest; anginal equivalent.
    Cole        | Cold and cough for a week.
    Ileana      | Ileal resection in 2010.
    Tracey      | Trace edema of the ankles.
    Lance       | Lancets and test strips were refilled.
    Valerie     | Valve replacement in 2012.
    Alma        | Albuterol as needed.
"""

# surname or given name of the patient | a text in which it is the patient, with what stays
PEOPLE = """
    Graves      | Mr. Graves has Graves disease.                | Mr. [PERSON_NAME] has Graves disease.
    Graves      | Discussed with Graves today.                  | Discussed with [PERSON_NAME] today.
    Graves      | MR GRAVES DENIES CHEST PAIN                   | MR [PERSON_NAME] DENIES CHEST PAIN
    Bell        | Bell's exam was normal; no Bell's palsy.      | [PERSON_NAME]'s exam was normal; no Bell's palsy.
    Bell        | dr bell saw her                               | dr [PERSON_NAME] saw her
    Ward        | Mrs. Ward was moved to Ward 4.                | Mrs. [PERSON_NAME] was moved to Ward 4.
    Ward        | Ward, 45 y old, is well.                      | [PERSON_NAME], 45 y old, is well.
    May         | May is a 40-year-old woman. She may leave.    | [PERSON_NAME] is a 40-year-old woman. She may leave.
    May         | I saw May today. May resume diet.             | I saw [PERSON_NAME] today. May resume diet.
    Pain        | Mr. Pain reports pain.                        | Mr. [PERSON_NAME] reports pain.
    Pain        | Pain denies pain.                             | [PERSON_NAME] denies pain.
    Foley       | Ms Foley pulled out her Foley catheter.       | Ms [PERSON_NAME] pulled out her Foley catheter.
    Long        | Patient Name: Long                            | Patient Name: [PERSON_NAME]
    Long        | It took long for Long to answer.              | It took long for [PERSON_NAME] to answer.
    Young       | Dr. Young saw the young woman.                | Dr. [PERSON_NAME] saw the young woman.
    Will        | Her son Will will call.                       | Her son [PERSON_NAME] will call.
    William     | Spoke with Will; will call again.             | Spoke with [PERSON_NAME]; will call again.
    Parkinson   | Mrs. Parkinson has no Parkinson disease.      | Mrs. [PERSON_NAME] has no Parkinson disease.
    White       | White, MD reviewed the white count.           | [PERSON_NAME], MD reviewed the white count.
"""

CASES = [tuple(cell.strip() for cell in line.split("|")) for line in MEDICINE.strip().splitlines()]
FOUND = [tuple(cell.strip() for cell in line.split("|")) for line in PEOPLE.strip().splitlines()]


@pytest.mark.parametrize(("name", "sentence"), CASES)
def test_a_patient_of_that_name_keeps_the_medicine(name: str, sentence: str) -> None:
    """A word that is the patient's name, or near to it, stays where it means something else."""
    assert without_known(sentence, known(("person_name", name), ("person_name", "Xiomara"))) == sentence


@pytest.mark.parametrize(("name", "text", "expected"), FOUND)
def test_the_same_word_is_removed_where_it_is_the_patient(name: str, text: str, expected: str) -> None:
    """A title, a label, what only people do, or a capital inside a sentence make the word a name."""
    assert without_known(text, known(("person_name", name))) == expected


def test_the_gate_is_wide_enough() -> None:
    """At least 120 sentences are looked at, and each holds its patient's name or a word that is near to it."""
    assert len(CASES) >= 120
    assert len({name for name, _ in CASES}) >= 60
