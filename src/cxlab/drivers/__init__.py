"""What drives satisfaction: shares of the ratings, pains and wows, what if it were better.

A notebook needs `fits` (who, and the model fitted to them), `estimates` (what is reported of it as tables), `findings`
(what the page tells) and `explore` (its workbench).
"""
