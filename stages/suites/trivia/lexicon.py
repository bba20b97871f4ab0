"""The words and marks that trivia's judge goes by, each set with what it is taken to mean."""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


BREAKS = _set(". , ; : ! ? ( ) [ ] but although though because since whereas while however yet")
"""end a clause"""
SENTENCE_ENDS = _set(". ; ! ?")
ARTICLES = _set("the a an")
IT = _set("it its it's that's thats this the")
NEGATORS = _set(
    "not never no nope nor neither none nobody cannot isnt wasnt arent dont doesnt aint is'nt "
    "false untrue wrong wrongly incorrect incorrectly mistaken mistakenly impossible unlikely "
    "doubt doubtful deny denies except excluding without hardly mistake"
)
"""deny what follows in their clause, or what they are said of"""
AUXILIARIES = _set(
    "is was are were be been it's that's does do did has have had can could would will should may "
    "might must"
)
DENIAL_FILLERS = _set(
    "that this it is was it's that's thats really quite at all true right correct so just "
    "certainly definitely absolutely actually be can i am kidding joking sure answer the"
)
"""with a negator and nothing else, a clause takes back the one before it"""
CORRECTIONS = (
    ("i", "mean"),
    ("i", "meant"),
    ("scratch", "that"),
    ("make", "that"),
    ("correction",),
    ("wait",),
    ("sorry",),
    ("on", "second", "thought"),
    ("on", "second", "thoughts"),
)
"""what follows replaces what went before"""
ASKING = _set(
    "is was are were does do did can could would will should what which who whom whose where when "
    "how why am has have"
)
CONDITIONS = _set("if unless whether suppose supposing pretend imagine formerly former once used")
OTHERS = _set(
    "people some many most others everyone everybody they often commonly popularly usually "
    "sometimes myth common popular widespread traditionally students folks one somebody someone "
    "frequently"
)
OPINIONS = _set(
    "think thinks thought believe believes believed say says said assume assumes assumed claim "
    "claims claimed guess guesses guessed suppose supposed confuse confused mistake myth "
    "misconception answer"
)
"""beside OTHERS: what others hold, which the text doesn't state"""
INDIRECT = _set(
    "than near nearby like unlike beside besides almost nearly over under above below least most "
    "outside versus vs resembles approaching beyond < > ≤ ≥ against"
)
OTHER_NAMES = _set(
    "new old east west little saint st fort port lake lower upper non anti pseudo fake quasi"
)
"""before a name they make another's: New Paris"""
NAMED_BY_OF = _set(
    "city town year state country nation island continent kind type sort form colour color shade "
    "number total sum gas element planet symbol formula value name river mountain area made "
    "composed consists and period span length people peoples team layer lot bunch result angle"
)
"""before 'of' they name what follows: the city of Paris; any other word only points at it"""
MULTIPLIED = _set("x times * by multiplied the of a")
"""may stand between the terms of a formula"""
MULTIPLES = _set("half twice double thrice triple quarter third times x * over divided by")
OPERATORS = _set("+ - * / ^ x times plus minus divided multiplied mod ÷ √ point root")
OTHER_UNITS = _set("bc bce fahrenheit f kelvin k")
"""after a number they make it another's: 1492 BC, 100 °F"""
CIRCUMSTANCES = _set("from to in since until till between before after by")
"""before a number they give a date or span beside the answer"""
TITLES = _set(
    "sir dr doctor mr mrs ms miss professor president general emperor king queen madame lady lord "
    "captain major colonel commander scientist chemist physicist inventor painter artist author "
    "writer playwright poet astronaut cosmonaut pilot bacteriologist the by was is it's famous "
    "great legendary swedish american russian soviet scottish english british polish french "
    "italian german roman engineer dramatist bard named called one only young old master"
)
"""before a surname they leave it what it is"""
SUCCESSORS = _set("ii iii iv vi vii jr junior 2nd 3rd #2 #3 second third")
"""after a name they make another's: Napoleon III"""
FUNCTION = _set(
    "is are was were be been am it its it's that's this that these those there here they we i you "
    "he she his her has have had do does did can could would will should may might must of in on "
    "at by for from with to as out which who whose when where what how because so if then than "
    "not no never also known called named about"
)
"""a clause with one of them says something; one without is a bare name"""
BENIGN = _set(
    "yes yeah yep ok okay sure surely certainly definitely probably possibly maybe perhaps likely "
    "obviously clearly simply well hmm um uh ah oh so answer answers final correct right true "
    "actually really indeed just exactly precisely approximately about around roughly think "
    "believe guess know say said done thanks thank please sir friend hello hi good great nice "
    "course absolutely capital city town country nation planet element gas organ number year "
    "years degrees degree celsius centigrade total sum equals equal result called named known "
    "wrong false incorrect the a an and or either both e.g i.e let me see my your mount mt river "
    "island ocean sea legs bones sides grams gram angles faces hearts chemical symbol formula "
    "area not no too botanically continent usa uk us correctly rightly simple easy animal colour "
    "color language people name"
)
"""add nothing to an answer"""
