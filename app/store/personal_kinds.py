"""What the facts about clocks hold of people: said once, for every table that keeps some of them."""

from app.domain.privacy.register import Erase, Kind, Personal, keys
from app.domain.sentences import Sentence

WORDS = Personal(
    Kind.FREE_TEXT,
    purpose=Sentence("why a clock stands still, moved or ended: what an auditor asks for"),
    retention=Sentence("as long as the tenant's clocks"),
    erase=Erase.WITH_TENANT,
)
ACTOR = Personal(
    Kind.ACCOUNT_ID,
    purpose=Sentence("who decided that a clock stands still, moved or ended"),
    retention=Sentence("as long as the tenant's clocks, without the person once they are erased"),
    erase=Erase.VALUE,
    since="recorded_at",
)
EVENT_DATA = keys(
    actor=ACTOR,
    reason=WORDS,
    evidence=WORDS,
    role=WORDS,
    channel=WORDS,
    ticket=WORDS,
    others=("clause", "severity", "until", "until_at", "added_microseconds"),
)
