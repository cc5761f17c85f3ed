"""What the models of the journey are fed with: experiences with what came after them, and steps in their order.

`experience` asks the canonical tables for rows of experiences, `steps` for counts of steps and of spells up to a
purchase.
"""
