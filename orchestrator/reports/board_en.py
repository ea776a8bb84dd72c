"""The board in English, on request."""

from orchestrator.core.alarm import AlarmCode
from orchestrator.core.freeze import FreezeKind
from orchestrator.core.ids import Side
from orchestrator.core.threshold import Direction
from orchestrator.core.verdict import Level
from orchestrator.reports.board_codes import Head, RoutesApi, Sign, Watcher
from orchestrator.reports.board_words import FreezeWords, HeadWords, Labels, Lang, Words
from orchestrator.reports.words import CODES, TRIGGERS

LABELS = Labels(
    board="Ward board",
    old="Old system",
    new="New system",
    beds="beds",
    staff="What to do on the ward",
    on_call="Operations on call",
    stage="Stage",
    next_stage="Next stage",
    judgement="Verdict",
    not_judged="Not judged now",
    more_signals="and {n} more signals",
    all_within="all {n} signals within their limits; nearest its limit:",
    one_within="the only signal is within its limit:",
    limit="limit",
    blind_for="without sight for {n} s, patience {patience} s",
    lease="Sign of life from the watch",
    no_lease="none was seen",
    soak="Whole clean shifts",
    returned="Last return",
    drill="Last drill",
    drill_passed="{at}, passed: back within {restore} s, proven within {prove} s",
    drill_failed="{at}, FAILED: {problem}",
    alarm_lines="Alerts and reports",
    alarm_alert="alert {name}",
    alarm_report="report {report} from the {role}",
    unanswered="{report} waits for an answer",
    alarm_programme="the whole programme was stopped by the {role}: {said}",
    quote="“{said}”",
    returned_at="began",
    written_at="switched",
    proven_at="proven",
    not_proven="NOT PROVEN YET",
    still_open="{n} connections are still open in the new system",
    open_unknown="connections in the new system could not be counted",
    cleared="nobody is left in the new system",
    held="On hold",
    downtime="Downtime procedure",
    contacts="Contact",
    gates="Waits for",
    gates_open="Nothing stands in the way of the next stage",
    frozen="FROZEN: NOTHING MOVES FORWARD",
    frozen_report="{ward}: somebody on the ward stopped the line (report {report})",
    frozen_stop="the whole programme is stopped ({reason})",
    frozen_going="{ward} is going back to the old system ({reason})",
    frozen_unwritten="{ward} must go back to the old system but is not switched yet ({reason})",
    frozen_who="{ward} went back to the old system ({reason})",
    thaw="Ends when the cause is found and {roles} agree",
    not_started="The programme is not started",
    standby="Shown by a standby; another sentinel watches",
    seen_by="Shown by",
    events="{n} events in the ledger",
    one_event="1 event in the ledger",
    mirrored="gets copies",
    stale="OLD PICTURE. DO NOT TRUST IT.",
    stale_why="The board has heard nothing new from the watch.",
    stale_do="Call operations before you act on anything that stands here.",
    starting="Loading …",
    updated="Updated {n} s ago",
    other_language="På svenska",
    every_slice="everything",
    in_new="{slices} in the new system",
    no_slice="nothing",
    nothing_recorded="everything in the old system",
    two_of="two of the roles {roles}",
    one_of="one more of the roles {roles}",
    alarm="One ward needs action",
    alarms="{n} wards need action",
    calm="No ward needs action",
    watch="Look closely: a warning or an alert",
    alarmed="{ward}: an alert or a report",
    alarmed_many="{n} wards: an alert or a report",
    unsafe="The protection is not whole",
    seconds="s",
)

HEADS = {
    Head.BLOCKED: HeadWords(
        title="NO WAY BACK",
        staff="Use the downtime procedure now: {downtime} The new system is not safe, and the old "
        "system does not answer. Write in neither of them.",
        on_call="Nothing was switched. Get the old system up. To switch all the same: "
        "wardshift rollback {ward} --legacy-is-sick --reason '...'",
    ),
    Head.UNWRITTEN: HeadWords(
        title="WAITS TO BE SWITCHED",
        staff="Stop writing in the new system. The ward must go back to the old system but is not "
        "switched yet. Use the downtime procedure until it says BACK here: {downtime}",
        on_call="The route to the old system is not written yet. Trying goes on by itself. "
        "See to it that the {routes_api} answers; do not restart a gateway.",
    ),
    Head.RETURNING: HeadWords(
        title="GOING BACK",
        staff="Stop writing in the new system. The ward goes back to the old system by itself. "
        "Use the downtime procedure until it says BACK here: {downtime}",
        on_call="Waits for proof through the gateway. {waiting} Probing goes on by itself.",
    ),
    Head.UNWATCHED: HeadWords(
        title="NOBODY WATCHES",
        staff="Do not write in the new system. Nobody sees now whether it works. Have the downtime "
        "procedure at hand: {downtime} Call operations.",
        on_call="Start the watch: wardshift sentinel. If that fails: wardshift rollback {ward}",
    ),
    Head.BREACH: HeadWords(
        title="MUST GO BACK",
        staff="Stop writing in the new system. The ward is about to go back to the old system by "
        "itself. Have the downtime procedure at hand: {downtime}",
        on_call="{alarms}. If nothing happens within half a minute: wardshift rollback {ward}",
    ),
    Head.STRAY: HeadWords(
        title="SWITCHED, NOT DECIDED",
        staff="Do not write in the new system. This was switched without a decision: {new_slices}. "
        "Call operations.",
        on_call="Is taken back by itself once the ledger has been read; else wardshift rollback "
        "{ward}. By the ledger: {expected}.",
    ),
    Head.NO_WAY_BACK: HeadWords(
        title="OLD SYSTEM DOWN",
        staff="Go on as now, the new system works. But we cannot go back, for the old system does "
        "not answer. Have the downtime procedure at hand: {downtime}",
        on_call="{signal}. Get the old system up before anything else happens.",
    ),
    Head.SIDE_UNKNOWN: HeadWords(
        title="WE DO NOT KNOW WHICH SIDE",
        staff="The board cannot see which system is connected. The last we know: {expected}. "
        "Go on like that. If your screen shows something else, call operations.",
        on_call="The routes cannot be read: the {routes_api} does not answer. Get it up; a return "
        "waits for it. Do not restart a gateway: it serves on by the routes that it has.",
    ),
    Head.NO_ROUTE: HeadWords(
        title="NO ROUTE",
        staff="The board cannot see which system is connected. The last we know: {expected}. "
        "Go on like that. If your screen shows something else, call operations.",
        on_call="There is no route for {ward}. Put it back.",
    ),
    Head.BLIND: HeadWords(
        title="WE CANNOT SEE",
        staff="We cannot see now whether the new system works. Read again what you write. If it "
        "lasts, the ward goes back to the old system by itself.",
        on_call="{signal}. See why the source does not answer.",
    ),
    Head.ALARMED: HeadWords(
        title="ALERT OR REPORT",
        staff="Go on in the new system, but read again what you write. An alert or a report is "
        "being looked into. If you see a fault yourselves, say so at once.",
        on_call="{alarms}.",
    ),
    Head.LEGACY_SICK: HeadWords(
        title="OLD SYSTEM DOES NOT ANSWER",
        staff="Work in the old system. If it does not answer you either, use the downtime "
        "procedure: {downtime}",
        on_call="{signal}. Get the old system up; nothing moves forward meanwhile.",
    ),
    Head.MOVING: HeadWords(
        title="BEING SWITCHED",
        staff="Wait before you write. The ward now moves on to: {stage}.",
        on_call="Waits for proof through the gateway. Without it, the step is given up by itself.",
    ),
    Head.WARN: HeadWords(
        title="NEAR THE LIMIT",
        staff="Go on working as now. Be attentive, and say at once when something is wrong.",
        on_call="{signal}.",
    ),
    Head.EXPOSED: HeadWords(
        title="IN THE NEW SYSTEM",
        staff="Work in the new system: {new_slices}. Work in the old system: {old_slices}. "
        "Say at once when something is wrong.",
        on_call="Nothing to do.",
    ),
    Head.ACCEPTED: HeadWords(
        title="ACCEPTED",
        staff="Work in the new system: {new_slices}. It is still watched. "
        "Say at once when something is wrong.",
        on_call="Nothing to do.",
    ),
    Head.RETURNED: HeadWords(
        title="BACK",
        staff="Work in the old system. Log out of the new system on every computer.",
        on_call="Find the cause. To begin again takes {roles}: "
        "wardshift resume {ward} --role ROLE --reason TEXT",
    ),
    Head.NOT_CLEAR: HeadWords(
        title="OLD SYSTEM",
        staff="Work in the old system as usual.",
        on_call="{signal}. Nothing moves forward until that is clear.",
    ),
    Head.SHADOW: HeadWords(
        title="SHADOW",
        staff="Work in the old system as usual. The new system only gets copies.",
        on_call="Nothing to do.",
    ),
    Head.READY: HeadWords(
        title="OLD SYSTEM",
        staff="Work in the old system as usual.",
        on_call="Nothing to do.",
    ),
    Head.WAITING: HeadWords(
        title="OLD SYSTEM",
        staff="Work in the old system as usual.",
        on_call="The ward's turn has not come yet.",
    ),
}

EN = Words(
    lang=Lang.EN,
    decimal=".",
    labels=LABELS,
    heads=HEADS,
    levels={level: level.name for level in Level},
    codes=CODES,
    sides={Side.LEGACY: "OLD", Side.CANDIDATE: "NEW", None: "UNKNOWN"},
    directions={Direction.AT_MOST: "at most", Direction.AT_LEAST: "at least", None: "at most"},
    watchers={
        Watcher.SENTINEL: "Sentinel",
        Watcher.GUARD: "Guard",
        Watcher.FENCE: "Fence",
        Watcher.ROUTES: "Routes",
        Watcher.LEDGER: "Ledger",
    },
    routes_apis={
        RoutesApi.API_SERVER: "Kubernetes API server",
        RoutesApi.PRACTICE: "practice gateway's administration",
    },
    signs={
        (Watcher.SENTINEL, Sign.GOOD): "lives",
        (Watcher.SENTINEL, Sign.BAD): "DOES NOT LIVE",
        (Watcher.SENTINEL, Sign.UNKNOWN): "not seen yet",
        (Watcher.GUARD, Sign.GOOD): "lives",
        (Watcher.GUARD, Sign.BAD): "MISSING",
        (Watcher.GUARD, Sign.UNKNOWN): "not seen yet",
        (Watcher.FENCE, Sign.GOOD): "stands",
        (Watcher.FENCE, Sign.BAD): "OPEN",
        (Watcher.FENCE, Sign.UNKNOWN): "not tried",
        (Watcher.ROUTES, Sign.GOOD): "answers",
        (Watcher.ROUTES, Sign.BAD): "DOES NOT ANSWER",
        (Watcher.ROUTES, Sign.UNKNOWN): "not seen yet",
        (Watcher.LEDGER, Sign.GOOD): "is read",
        (Watcher.LEDGER, Sign.BAD): "CANNOT BE READ, shown is what is known here",
        (Watcher.LEDGER, Sign.UNKNOWN): "not seen yet",
    },
    triggers=TRIGGERS,
    alarms={
        AlarmCode.FIRING: "firing",
        AlarmCode.FIRED_BEFORE: "fired before the switch already",
        AlarmCode.OTHER_SLICE: "about something that is not switched",
        AlarmCode.SILENCED: "silenced, not gone",
        AlarmCode.WARNING: "a warning",
        AlarmCode.REPORTED: "not confirmed",
        AlarmCode.CONFIRMED: "confirmed",
        AlarmCode.STOPPED: "stopped",
    },
    gates={
        "no_alarms": "alerts and reports to be looked into",
        "not_frozen": "the freeze to end",
        "plan_unchanged": "the approved plan to be in force",
        "ward_in_turn": "the ward's turn",
        "not_held": "the hold to be lifted",
        "legacy_ready": "the old system to be ready",
        "sentinel_alive": "a living sentinel",
        "guard_alive": "a living guard",
        "fence_proven": "a proven fence",
        "signals_clear": "clear signals",
        "drilled": "a passed drill of the return",
        "baselines_known": "measured baselines",
        "soaked": "enough whole shifts",
        "in_window": "a time that is allowed",
        "approved": "approval",
    },
    freezes={
        FreezeKind.RETURN: FreezeWords(
            summary="Nothing moves after a return", gate="the freeze after a return to end"
        ),
        FreezeKind.REPORT: FreezeWords(
            summary="Nothing moves after a report", gate="the freeze after a report to end"
        ),
        FreezeKind.STOP: FreezeWords(
            summary="The whole programme is stopped",
            gate="the freeze of the whole programme to end",
        ),
    },
    roles={},
)
