"""Words that say nothing of what a text is about."""

_WORDS = """
about above across after again against all almost alone along already also although always among and
another any anybody anyone anything are aren't around because been before behind being below between both
but can can't cannot come could couldn't did didn't does doesn't doing don't done down during each either
else enough etc even ever every everybody everyone everything few first for from further get gets give
given gives goes going gone got had has hasn't have haven't having hence her here hers herself him
himself his how however into isn't it's its itself just keep keeps last least less let let's like made
make makes many may maybe might mine more most much must myself near need needs neither never next nobody
none nor not nothing now off often once one only onto other others ought our ours ourselves out over own
per perhaps put quite rather really said same say says see seem seems several shall she should shouldn't
since some somebody someone something soon still such take taken takes than that that's the their theirs
them themselves then thence there there's therefore these they they're thing things this those though
through thus too took toward towards twice two under until unto upon use used uses using very via was
wasn't way well went were weren't what whatever when whenever where whereas wherever whether which while
who whoever whole whom whose why will with within without won't would wouldn't yes yet you you're your
yours yourself yourselves
"""

STOPWORDS = frozenset(_WORDS.split())
