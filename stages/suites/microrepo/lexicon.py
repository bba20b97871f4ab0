"""The words worlds are made of. Pools are disjoint, so a word tells what it is."""

from __future__ import annotations

ADJECTIVES = (
    "oak red blue old grey north south calm bright quiet swift amber stone silver long "
    "green dark wild cold warm deep high low dry soft hard broad clear golden iron"
).split()
NOUNS = (
    "harbor mill bridge garden forge meadow tower river canyon orchard island valley lantern "
    "anchor bakery quarry ferry castle market cabin beacon glacier prairie lagoon summit hollow "
    "grove ridge dune marsh"
).split()
COMPONENTS = (
    "billing login shipping search reports catalog payroll stock mail backup invoices tickets "
    "alerts profiles refunds orders loans rentals badges votes quizzes recipes lessons tours "
    "seats coupons claims audits surveys meters pumps valves ovens looms kilns docks"
).split()
STEMS = (
    "ledger parcel basket cabinet drawer folder bucket crate barrel shelf locker vault satchel "
    "pouch hamper trunk chest casket tray rack hopper silo tank kettle jar flask bottle goblet "
    "saucer ladle spoon pan skillet grate chimney gutter ladder pulley lever hinge rivet bolt "
    "washer gasket spring piston crank gear"
).split()
FUNCTIONS = (
    "total blend merge settle charge refund scale adjust balance convert derive estimate "
    "forecast gather hoist infer join keep lift measure nudge offset place quote reckon shift "
    "tally update value weigh yield_of allot budget carry draft employ figure grant handle "
    "issue judge knit label match note order pack quell rank score trade unify vary wrap "
    "accrue bundle credit debit enrol factor gauge hedge index_of inspect levy mend notch "
    "obtain pledge query reserve sample tender uplift verify_of award build collect deliver"
).split()
FUNCTIONS = tuple(word for word in FUNCTIONS if "_" not in word)
PARAMETERS = (
    "price rate cost tax size weight speed depth width height age mass load fee gain share"
).split()
SCRIPTS = ("check verify runner suite probe validate exam trial inspector gate prove assess").split()
WRAPPERS = ("safe guarded checked careful trusted steady").split()
PREFIXES = ("get do run make calc fetch").split()
