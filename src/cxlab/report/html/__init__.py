"""Executed notebook -> one self-contained page a stakeholder can read offline, in each language of the report."""
