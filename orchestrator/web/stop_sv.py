"""Stop the line in Swedish, as bedside staff read it."""

from orchestrator.core.receipt import Became
from orchestrator.web.stop_words import StopWords, Told

SWEDISH = StopWords(
    lang="sv",
    other="en",
    other_language="In English",
    title="Stoppa införandet",
    lead="Är något fel i journalen som kan skada en patient? Tryck stopp.",
    costs_nothing="Ett stopp i onödan kostar ingenting. Ingen får skulden för att ha tryckt.",
    ward="Avdelning",
    choose="Välj avdelning",
    role="Din roll",
    code="Rollens stoppkod",
    code_help="Står på avdelningens stoppkort. Med fel kod larmas jouren, men inget fryses.",
    staff_code="Din personalkod (frivilligt)",
    staff_help="Skiljer två personer åt: utan den räknas ni kanske som samma. Den sparas inte i "
    "klartext, och ingen kan se vem du är.",
    slice="Vad gäller det? (frivilligt)",
    any_slice="Vet inte, eller flera delar",
    words="Vad såg du? (frivilligt)",
    words_help="Skriv aldrig patientens namn eller personnummer.",
    stop="STOPPA",
    closed="Formuläret är inte öppnat här",
    closed_text="Ingen stoppkod finns för den här platsen. Ring jouren, eller be driften köra "
    "wardshift stop-code ROLL. Från kommandoraden fungerar alltid: wardshift stop AVDELNING "
    "--role ROLL",
    not_received="INTE MOTTAGET",
    missing="Välj avdelning och roll, och tryck igen.",
    too_many="För många försök just nu. Ring jouren i stället, eller försök igen om en minut.",
    too_long="Det var för mycket text. Skriv kortare, och tryck igen.",
    unknown_ward="Avdelningen finns inte i det här införandet: {ward}.",
    no_such_ward="OKÄND AVDELNING",
    nothing_sent="Inget är skickat än: välj avdelning nedan, och tryck sedan stopp.",
    unknown_receipt="Inget kvitto med det numret. Om avdelningen har börjat om är kvittot borta; "
    "ring annars jouren.",
    receipt="Kvitto",
    made="Mottaget",
    by="Av",
    taken="Jouren",
    taken_by="{role} har tagit hand om det {at}.",
    not_taken="Larmad. Ingen har svarat än; larmet går om var {minutes}:e minut.",
    live="Sidan uppdateras av sig själv. {at}",
    frozen="Hela införandet är fryst: ingen avdelning går vidare.",
    not_frozen="Införandet är inte fryst.",
    call="Ring",
    otherwise="Om inget system går att använda",
    again="Nytt stopp",
    told={
        Became.UNPROVEN: Told(
            title="Mottaget, men koden stämde inte",
            text="Jouren är larmad och ringer avdelningen. Inget är fryst och inget är flyttat. "
            "Är det bråttom: ring, eller tryck igen med rätt kod.",
        ),
        Became.FROZEN: Told(
            title="Fryst",
            text="Avdelningen arbetar kvar i det nya systemet tills en till säger samma sak. Be en "
            "kollega trycka stopp, med sin personalkod, före {until}: då går "
            "avdelningen tillbaka till det gamla.",
        ),
        Became.UNCONFIRMED: Told(
            title="Fryst, utan en andra röst",
            text="Ingen andra person bekräftade före {until}. Är felet kvar: tryck stopp igen, två "
            "personer, eller ring.",
        ),
        Became.AT_HOME: Told(
            title="Fryst",
            text="Avdelningen arbetar redan i det gamla systemet. Inget behöver flyttas.",
        ),
        Became.BLOCKED: Told(
            title="SKA TILLBAKA, MEN DET GAMLA SYSTEMET SVARAR INTE",
            text="Inget är flyttat, för det gamla systemet svarar inte. Jouren är larmad. Gå över "
            "till reservrutinen nu.",
        ),
        Became.RETURNING: Told(
            title="På väg tillbaka",
            text="Avdelningen flyttas till det gamla systemet nu. Vänta med att skriva tills det "
            "står att den är tillbaka.",
        ),
        Became.RETURNED: Told(
            title="Tillbaka i det gamla systemet",
            text="Prövat och klart {returned}. Logga in i det gamla systemet. Det som skrevs i det "
            "nya finns kvar där och tas om hand.",
        ),
        Became.TAKEN_BACK: Told(
            title="Återtaget",
            text="Stoppet är återtaget av en ansvarig. Har du sett felet igen: tryck stopp igen.",
        ),
    },
    roles={
        "nurse": "sjuksköterska",
        "physician": "läkare",
        "midwife": "barnmorska",
        "chief_physician": "överläkare",
        "ward_head": "avdelningschef",
        "clinical_safety_officer": "patientsäkerhetsansvarig",
        "programme_lead": "programledare",
        "operations": "driftjour",
    },
)
