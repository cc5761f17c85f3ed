"""Alarms with a declared false-alarm rate, and the customers whose answers want a call; exactly once per item.

`sequential`  the rule: change-point evidence, its threshold by simulation, its bound without
`streams`     weekly values of questions by brand, touchpoint and channel, by one query
`watch`       what came since the last call: alarms, care items, the ledger that remembers them
"""
