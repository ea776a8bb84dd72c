"""The board in Swedish: what staff on the wards read and read aloud."""

from orchestrator.core.alarm import AlarmCode
from orchestrator.core.event import Trigger
from orchestrator.core.freeze import FreezeKind
from orchestrator.core.ids import Side
from orchestrator.core.threshold import Direction
from orchestrator.core.verdict import Code, Level
from orchestrator.reports.board_codes import Head, RoutesApi, Sign, Watcher
from orchestrator.reports.board_words import FreezeWords, HeadWords, Labels, Lang, Words

LABELS = Labels(
    board="Avdelningstavla",
    old="Gamla systemet",
    new="Nya systemet",
    beds="vårdplatser",
    staff="Gör så här på avdelningen",
    on_call="Driftjouren",
    stage="Steg",
    next_stage="Nästa steg",
    judgement="Bedömning",
    not_judged="Bedöms inte just nu",
    more_signals="och {n} signaler till",
    all_within="alla {n} signaler inom sina gränser; närmast sin gräns:",
    one_within="den enda signalen inom sin gräns:",
    limit="gräns",
    blind_for="utan sikt i {n} s, tålamod {patience} s",
    lease="Livstecken från övervakningen",
    no_lease="inget har setts",
    soak="Hela arbetspass utan anmärkning",
    returned="Senaste återgång",
    drill="Senaste övning",
    drill_passed="{at}, godkänd: tillbaka på {restore} s, bevisat på {prove} s",
    drill_failed="{at}, UNDERKÄND: {problem}",
    alarm_lines="Larm och anmälningar",
    alarm_alert="larmet {name}",
    alarm_report="anmälan {report} från {role}",
    unanswered="{report} väntar på svar",
    alarm_programme="hela införandet stoppades av {role}: {said}",
    quote="”{said}”",
    returned_at="började",
    written_at="omkopplad",
    proven_at="bevisad",
    not_proven="INTE BEVISAD ÄN",
    still_open="{n} anslutningar är fortfarande öppna i nya systemet",
    open_unknown="anslutningar i nya systemet kunde inte räknas",
    cleared="ingen är kvar i nya systemet",
    held="Pausad",
    downtime="Reservrutin",
    contacts="Kontakt",
    gates="Väntar på",
    gates_open="Inget hindrar nästa steg",
    frozen="STOPP FÖR ALLA STEG FRAMÅT",
    frozen_report="{ward}: någon på avdelningen har stoppat (anmälan {report})",
    frozen_stop="hela införandet är stoppat ({reason})",
    frozen_going="{ward} är på väg tillbaka till gamla systemet ({reason})",
    frozen_unwritten="{ward} ska tillbaka till gamla systemet men är inte omkopplad än ({reason})",
    frozen_who="{ward} gick tillbaka till gamla systemet ({reason})",
    thaw="Upphävs när orsaken är funnen och {roles} är överens",
    not_started="Införandet är inte startat",
    standby="Den här tavlan visas av reserven; en annan sentinel övervakar",
    seen_by="Visas av",
    events="{n} händelser i loggboken",
    one_event="1 händelse i loggboken",
    mirrored="får kopior",
    stale="GAMMAL BILD. LITA INTE PÅ DEN.",
    stale_why="Tavlan har inte fått något nytt från övervakningen.",
    stale_do="Ring driftjouren innan du gör något utifrån det som står här.",
    starting="Hämtar …",
    updated="Uppdaterad för {n} s sedan",
    other_language="In English",
    every_slice="allt",
    in_new="{slices} i nya systemet",
    no_slice="inget",
    nothing_recorded="allt i gamla systemet",
    two_of="två av rollerna {roles}",
    one_of="en till av rollerna {roles}",
    alarm="En avdelning kräver åtgärd",
    alarms="{n} avdelningar kräver åtgärd",
    calm="Ingen avdelning kräver åtgärd",
    watch="Var uppmärksam: varning eller larm",
    alarmed="{ward}: larm eller anmälan",
    alarmed_many="{n} avdelningar: larm eller anmälan",
    unsafe="Skyddet är inte helt",
    seconds="s",
)

HEADS = {
    Head.BLOCKED: HeadWords(
        title="INGEN VÄG TILLBAKA",
        staff="Använd reservrutinen nu: {downtime} Nya systemet är inte säkert, och gamla systemet "
        "svarar inte. Skriv inte i något av dem.",
        on_call="Inget är omkopplat. Få igång gamla systemet. För att koppla om ändå: "
        "wardshift rollback {ward} --legacy-is-sick --reason '...'",
    ),
    Head.UNWRITTEN: HeadWords(
        title="VÄNTAR PÅ OMKOPPLING",
        staff="Sluta skriva i nya systemet. Avdelningen ska tillbaka till gamla systemet men är "
        "inte omkopplad än. Använd reservrutinen tills här står TILLBAKA: {downtime}",
        on_call="Rutten till gamla systemet är inte skriven än. Försöken fortsätter av sig själva. "
        "Se till att {routes_api} svarar; starta inte om trafikstyrningen.",
    ),
    Head.RETURNING: HeadWords(
        title="PÅ VÄG TILLBAKA",
        staff="Sluta skriva i nya systemet. Avdelningen går tillbaka till gamla systemet av sig "
        "själv. Använd reservrutinen tills här står TILLBAKA: {downtime}",
        on_call="Väntar på bevis genom trafikstyrningen. {waiting} "
        "Kontrollerna fortsätter av sig själva.",
    ),
    Head.UNWATCHED: HeadWords(
        title="INGEN ÖVERVAKAR",
        staff="Skriv inte i nya systemet. Ingen ser just nu om det fungerar. Ha reservrutinen "
        "framme: {downtime} Ring driftjouren.",
        on_call="Starta övervakningen: wardshift sentinel. Går det inte: wardshift rollback {ward}",
    ),
    Head.BREACH: HeadWords(
        title="SKA TILLBAKA",
        staff="Sluta skriva i nya systemet. Avdelningen går strax tillbaka till gamla systemet av "
        "sig själv. Ha reservrutinen framme: {downtime}",
        on_call="{alarms}. Händer inget inom en halv minut: wardshift rollback {ward}",
    ),
    Head.STRAY: HeadWords(
        title="OMKOPPLAD UTAN BESLUT",
        staff="Skriv inte i nya systemet. Det här är omkopplat utan beslut: {new_slices}. "
        "Ring driftjouren.",
        on_call="Tas tillbaka av sig självt när loggboken har lästs; annars wardshift rollback "
        "{ward}. Enligt loggboken: {expected}.",
    ),
    Head.NO_WAY_BACK: HeadWords(
        title="GAMLA SYSTEMET NERE",
        staff="Fortsätt som nu, nya systemet fungerar. Men vi kan inte gå tillbaka, för gamla "
        "systemet svarar inte. Ha reservrutinen framme: {downtime}",
        on_call="{signal}. Få igång gamla systemet innan något annat händer.",
    ),
    Head.SIDE_UNKNOWN: HeadWords(
        title="VI VET INTE VILKEN SIDA",
        staff="Tavlan kan inte se vilket system som är inkopplat. Det senaste vi vet: {expected}. "
        "Fortsätt så. Stämmer det inte med er skärm, ring driftjouren.",
        on_call="Rutterna går inte att läsa: {routes_api} svarar inte. Få igång den; en återgång "
        "väntar på den. Starta inte om trafikstyrningen: den går vidare på de rutter den har.",
    ),
    Head.NO_ROUTE: HeadWords(
        title="INGEN RUTT",
        staff="Tavlan kan inte se vilket system som är inkopplat. Det senaste vi vet: {expected}. "
        "Fortsätt så. Stämmer det inte med er skärm, ring driftjouren.",
        on_call="Det finns ingen rutt för {ward}. Lägg tillbaka den.",
    ),
    Head.BLIND: HeadWords(
        title="VI SER INTE",
        staff="Vi ser inte just nu om nya systemet fungerar. Läs om det ni skriver. Varar det, går "
        "avdelningen tillbaka till gamla systemet av sig själv.",
        on_call="{signal}. Se efter varför källan inte svarar.",
    ),
    Head.ALARMED: HeadWords(
        title="LARM ELLER ANMÄLAN",
        staff="Fortsätt i nya systemet, men läs om det ni skriver. Ett larm eller en anmälan "
        "utreds. Ser ni själva ett fel, säg till direkt.",
        on_call="{alarms}.",
    ),
    Head.LEGACY_SICK: HeadWords(
        title="GAMLA SYSTEMET SVARAR INTE",
        staff="Arbeta i gamla systemet. Svarar det inte hos er heller, använd reservrutinen: "
        "{downtime}",
        on_call="{signal}. Få igång gamla systemet; inget går framåt så länge.",
    ),
    Head.MOVING: HeadWords(
        title="KOPPLAS OM NU",
        staff="Vänta med att skriva. Avdelningen går nu vidare till: {stage}.",
        on_call="Väntar på bevis genom trafikstyrningen. Uteblir det, ges steget upp "
        "av sig självt.",
    ),
    Head.WARN: HeadWords(
        title="NÄRA GRÄNSEN",
        staff="Fortsätt arbeta som nu. Var uppmärksamma, och säg till direkt om något är fel.",
        on_call="{signal}.",
    ),
    Head.EXPOSED: HeadWords(
        title="I NYA SYSTEMET",
        staff="Arbeta i nya systemet: {new_slices}. Arbeta i gamla systemet: {old_slices}. "
        "Säg till direkt om något är fel.",
        on_call="Inget att göra.",
    ),
    Head.ACCEPTED: HeadWords(
        title="GODKÄND",
        staff="Arbeta i nya systemet: {new_slices}. Det övervakas fortfarande. "
        "Säg till direkt om något är fel.",
        on_call="Inget att göra.",
    ),
    Head.RETURNED: HeadWords(
        title="TILLBAKA",
        staff="Arbeta i gamla systemet. Logga ut ur nya systemet på alla datorer.",
        on_call="Hitta orsaken. För att börja om behövs {roles}: "
        "wardshift resume {ward} --role ROLL --reason SKÄL",
    ),
    Head.NOT_CLEAR: HeadWords(
        title="GAMLA SYSTEMET",
        staff="Arbeta i gamla systemet som vanligt.",
        on_call="{signal}. Inget går framåt förrän det är klart.",
    ),
    Head.SHADOW: HeadWords(
        title="SKUGGDRIFT",
        staff="Arbeta i gamla systemet som vanligt. Nya systemet får bara kopior.",
        on_call="Inget att göra.",
    ),
    Head.READY: HeadWords(
        title="GAMLA SYSTEMET",
        staff="Arbeta i gamla systemet som vanligt.",
        on_call="Inget att göra.",
    ),
    Head.WAITING: HeadWords(
        title="GAMLA SYSTEMET",
        staff="Arbeta i gamla systemet som vanligt.",
        on_call="Avdelningen står inte på tur än.",
    ),
}

SV = Words(
    lang=Lang.SV,
    decimal=",",
    labels=LABELS,
    heads=HEADS,
    levels={
        Level.PASS: "INOM GRÄNSERNA",
        Level.WARN: "VARNING",
        Level.BLIND: "SER INTE",
        Level.BREACH: "UTANFÖR GRÄNSEN",
    },
    codes={
        Code.WITHIN: "inom gränsen",
        Code.NEAR_LIMIT: "nära gränsen",
        Code.BEYOND_LIMIT: "utanför gränsen",
        Code.BEYOND_ONCE: "utanför gränsen, men inte tillräckligt många gånger än",
        Code.OCCURRED: "det har hänt, och får aldrig hända",
        Code.PERHAPS_NEW: "syntes inte en stund, och kan ha hänt på nytt",
        Code.STALE: "det senaste mätvärdet är för gammalt",
        Code.TOO_FEW: "för få mätvärden",
        Code.NO_BASELINE: "inget att jämföra med än",
        Code.NO_DATA: "inga mätvärden",
        Code.SOURCE_DOWN: "källan svarar inte",
    },
    sides={Side.LEGACY: "GAMLA", Side.CANDIDATE: "NYA", None: "OKÄNT"},
    directions={
        Direction.AT_MOST: "högst",
        Direction.AT_LEAST: "minst",
        None: "högst",
    },
    watchers={
        Watcher.SENTINEL: "Övervakning",
        Watcher.GUARD: "Reservövervakare",
        Watcher.FENCE: "Skrivskydd",
        Watcher.ROUTES: "Rutter",
        Watcher.LEDGER: "Loggbok",
    },
    routes_apis={
        RoutesApi.API_SERVER: "Kubernetes API-server",
        RoutesApi.PRACTICE: "övningstrafikstyrningens administration",
    },
    signs={
        (Watcher.SENTINEL, Sign.GOOD): "lever",
        (Watcher.SENTINEL, Sign.BAD): "LEVER INTE",
        (Watcher.SENTINEL, Sign.UNKNOWN): "inte sedd än",
        (Watcher.GUARD, Sign.GOOD): "lever",
        (Watcher.GUARD, Sign.BAD): "SAKNAS",
        (Watcher.GUARD, Sign.UNKNOWN): "inte sedd än",
        (Watcher.FENCE, Sign.GOOD): "håller",
        (Watcher.FENCE, Sign.BAD): "ÖPPET",
        (Watcher.FENCE, Sign.UNKNOWN): "inte prövat",
        (Watcher.ROUTES, Sign.GOOD): "svarar",
        (Watcher.ROUTES, Sign.BAD): "SVARAR INTE",
        (Watcher.ROUTES, Sign.UNKNOWN): "inte sedd än",
        (Watcher.LEDGER, Sign.GOOD): "läses",
        (Watcher.LEDGER, Sign.BAD): "GÅR INTE ATT LÄSA, visar det som är känt här",
        (Watcher.LEDGER, Sign.UNKNOWN): "inte sedd än",
    },
    triggers={
        Trigger.BREACH: "en gräns passerades",
        Trigger.BLIND: "en signal gick inte att läsa tillräckligt länge",
        Trigger.LEASE: "ingen övervakade avdelningen längre",
        Trigger.PERSON: "en person begärde det",
        Trigger.STRAY: "något var omkopplat utan beslut",
        Trigger.ALERT: "ett larm",
        Trigger.STOP: "någon på avdelningen stoppade",
        Trigger.PROGRAMME: "hela införandet stoppades",
    },
    alarms={
        AlarmCode.FIRING: "larmar",
        AlarmCode.FIRED_BEFORE: "larmade redan före omkopplingen",
        AlarmCode.OTHER_SLICE: "gäller något som inte är omkopplat",
        AlarmCode.SILENCED: "tystat, inte borta",
        AlarmCode.WARNING: "varning",
        AlarmCode.REPORTED: "inte bekräftad",
        AlarmCode.CONFIRMED: "bekräftad",
        AlarmCode.STOPPED: "stoppat",
    },
    gates={
        "not_frozen": "att stoppet hävs",
        "plan_unchanged": "att den godkända planen gäller",
        "ward_in_turn": "sin tur",
        "not_held": "att pausen hävs",
        "legacy_ready": "att gamla systemet är redo",
        "sentinel_alive": "en levande övervakning",
        "guard_alive": "en levande reservövervakare",
        "fence_proven": "ett prövat skrivskydd",
        "no_alarms": "att larm och anmälningar är utredda",
        "signals_clear": "att signalerna är klara",
        "drilled": "en godkänd övning av återgången",
        "baselines_known": "att jämförelsevärden är mätta",
        "soaked": "tillräckligt många hela arbetspass",
        "in_window": "tillåten tid",
        "approved": "godkännande",
    },
    freezes={
        FreezeKind.RETURN: FreezeWords(
            summary="Allt står still efter en återgång",
            gate="att stoppet efter en återgång hävs",
        ),
        FreezeKind.REPORT: FreezeWords(
            summary="Allt står still efter en anmälan",
            gate="att stoppet efter en anmälan hävs",
        ),
        FreezeKind.STOP: FreezeWords(
            summary="Hela införandet är stoppat",
            gate="att stoppet av hela införandet hävs",
        ),
    },
    roles={
        "nurse": "sjuksköterska",
        "physician": "läkare",
        "midwife": "barnmorska",
        "chief_physician": "överläkare",
        "operations": "driftjour",
        "clinical_safety_officer": "patientsäkerhetsansvarig",
        "programme_lead": "programledare",
        "ward_head": "avdelningschef",
    },
)
