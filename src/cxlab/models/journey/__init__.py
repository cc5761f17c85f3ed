"""What the models of the journey are fed with: experiences with what came after them, and steps in their order.

`experience` asks the canonical tables for rows of experiences, `steps` for counts of steps and spells, and `page` fits
all models of the journey for a unit and names what the data cannot answer.
"""
