"""What customers say in their own words, from texts to topics, sentiment and the score.

===============  ==================================================================================================
module           what it answers
===============  ==================================================================================================
`clauses`        texts -> clauses with their place in the text; every text is modelled or rejected with a reason
`contact`        which pieces only offer contact: they are no topic
`words`          words of a clause in any language, stop words, words of tone
`floods`         which texts are copies, near-copies or bursts of one hand
`talks`          chats and tickets: whose turn, what became of the conversation
`embed`          clauses -> vectors: of the corpus itself, of a small English model, or the user's own
`topics`         vectors -> topics that stay the same from seed to seed
`rules`          what analysts named, merged, split, banned or looked for
`joined`         all of it for every language, as one list of topics
`emerging`       what is new in a period
`sentiment`      how good or bad a clause is, learnt from the scores that came with the texts
`situations`     when, where, with whom and what for, where a text tells it
`quotes`         two or three texts that stand for a topic, and one that speaks against it
===============  ==================================================================================================

A text is split into clauses because one comment speaks of several things; each result keeps ``comment_id``, ``clause``,
``start`` and ``end``, so that it can be shown where it was said. What a topic does to the score is
`cxlab.voice.model`.
"""
