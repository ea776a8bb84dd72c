"""Stop the line in English."""

from orchestrator.core.receipt import Became
from orchestrator.web.stop_words import StopWords, Told

ENGLISH = StopWords(
    lang="en",
    other="sv",
    other_language="På svenska",
    title="Stop the line",
    lead="Is something wrong in the record that could harm a patient? Press stop.",
    costs_nothing="A stop that was not needed costs nothing. Nobody is blamed for pressing.",
    ward="Ward",
    choose="Choose a ward",
    role="Your role",
    code="The role's stop code",
    code_help="It is on the ward's stop card. With a wrong code people are called; nothing "
    "freezes.",
    staff_code="Your staff code (optional)",
    staff_help="Tells two people apart: without it you may count as one. It is not kept as it "
    "is typed, and nobody can see who you are.",
    slice="What is it about? (optional)",
    any_slice="I do not know, or several",
    words="What did you see? (optional)",
    words_help="Never write a patient's name or number.",
    stop="STOP",
    closed="The form is not open here",
    closed_text="No stop code has been made at this site. Call the person on call, or ask "
    "operations to run: wardshift stop-code ROLE. The command line always works: wardshift stop "
    "WARD --role ROLE",
    not_received="NOT RECEIVED",
    missing="Choose a ward and a role, and press again.",
    too_many="Too many tries at the moment. Call instead, or try again in a minute.",
    too_long="That was too much text. Write less, and press again.",
    unknown_ward="The ward is not part of this rollout: {ward}.",
    no_such_ward="UNKNOWN WARD",
    nothing_sent="Nothing has been sent yet: choose the ward below, then press stop.",
    unknown_receipt="No receipt of that number. If the ward has begun again, its receipts are "
    "gone; else call the person on call.",
    receipt="Receipt",
    made="Received",
    by="By",
    taken="On call",
    taken_by="{role} took it in hand at {at}.",
    not_taken="Paged. Nobody has answered yet; the page is repeated every {minutes} minutes.",
    live="This page keeps itself up to date. {at}",
    frozen="The whole rollout is frozen: no ward moves forward.",
    not_frozen="The rollout is not frozen.",
    call="Call",
    otherwise="If neither system can be used",
    again="Another stop",
    told={
        Became.UNPROVEN: Told(
            title="Received, but the code was not right",
            text="People were paged and will call the ward. Nothing is frozen and nothing moved. "
            "If it is urgent: call, or press again with the right code.",
        ),
        Became.FROZEN: Told(
            title="Frozen",
            text="The ward stays in the new system until somebody else says the same. Ask a "
            "colleague to press stop, with their staff code, before {until}: then the "
            "ward goes back to the old one.",
        ),
        Became.UNCONFIRMED: Told(
            title="Frozen, without a second word",
            text="No second person confirmed it before {until}. If it is still wrong: press again, "
            "two people, or call.",
        ),
        Became.AT_HOME: Told(
            title="Frozen",
            text="The ward works in the old system already. Nothing has to move.",
        ),
        Became.BLOCKED: Told(
            title="MUST GO BACK, AND THE OLD SYSTEM DOES NOT ANSWER",
            text="Nothing was moved, for the old system does not answer. People were paged. Use "
            "the downtime procedure now.",
        ),
        Became.RETURNING: Told(
            title="On its way back",
            text="The ward is moved to the old system now. Wait with writing until this page says "
            "that it is back.",
        ),
        Became.RETURNED: Told(
            title="Back in the old system",
            text="Tried and done at {returned}. Log in to the old system. What was written in the "
            "new one is still there and is taken care of.",
        ),
        Became.TAKEN_BACK: Told(
            title="Taken back",
            text="Somebody responsible took this stop back. If you see it again: press again.",
        ),
    },
    roles={},
)
