"""What the models of the journey are fed with: experiences with what came after them, and steps in their order.

`experience` asks the canonical tables for what was met before an answer, `leaving` for what was done after an
experience, `steps` for counts of steps and of spells up to a purchase.
"""
