r"""A retailer of two brands with stores and a web shop, generated with known truth.

Generative story, for customer :math:`i` of brand :math:`b` in quarter :math:`q`:

.. math::

    \text{orders}_{iq} &\sim \text{Poisson}(\lambda_i \exp(\sigma_q + \ell_{iq} + \kappa_r S_{i,q-1} + c_{iq})) \\
    x_{ikq} &= \mu_k + 0.3 a_i - d(\text{days late}) [k = \text{delivery}] + \text{Normal}(0, 0.75) \\
    S_{iq} &= \alpha_b + \gamma_{s(i)} + a_i + \sum_{k \text{ used}} (\beta^+_k x^+_{ikq} - \beta^-_k x^-_{ikq})
        + 0.25\, e_{i,q-1} + \phi f_{i,q-1} + \text{Normal}(0, 0.35) \\
    P(\text{code} > j) &= \text{logistic}((\lambda_m S_{iq} - \tau_{mj}) / 0.45) \\
    P(\text{answers}) &= \text{logistic}(r_0 + r_S S_{iq} + r_{s(i)}) \\
    P(\text{leaves after } q) &= \text{logistic}(\omega_0 + \kappa_\omega S_{iq}) \\
    \log \text{basket} &= m_i + \kappa_m S_{i,q-1} + \text{Normal}(0, 0.5)

===================  =======================================================  ==============================
symbol               name                                                     unit
===================  =======================================================  ==============================
S                    latent satisfaction                                      latent (sd about 1)
a                    stable trait of a customer, Normal(0, 0.55)              latent
alpha, gamma         brand; age and tier (switch ``segments``)                latent
x, mu                experience of touchpoint k and its mean                  experience (sd about 0.8)
x+, x-               max(x, 0), max(-x, 0)
beta+, beta-         gain and pain (switch ``touchpoints``):                  latent per unit of experience
                     must-be: pain only; linear: equal; delighter: gain only
d                    1 + 0.28 min(days late, 8) for the worst parcel          experience
e                    last quarter's touchpoint effects                        latent
f, phi               followed up after a complaint (switch ``follow_up``)     0/1, latent
lambda_i, sigma      purchase rate, Gamma(1.8) times tier; season             orders a quarter, log
l                    life event (switch ``life_events``)                      log purchase rate
c                    campaign, random half of Birch (switch ``campaign``)     log purchase rate
kappa                links to repurchase, leaving, basket (``value_link``)    log, log-odds, log per latent
r                    non-response (two switches)                              log-odds
tau, lambda_m        cutpoints and loading of measure m (nps, csat, ces)      latent
===================  =======================================================  ==============================

Beside the survey stand expectations (`cxlab.synthetic.expectations`), a questionnaire for the satisfaction index
(`cxlab.synthetic.index`), a poll of managers (`cxlab.synthetic.managers`) and the visits before an order
(`cxlab.synthetic.visits`), each with its own random streams and its own switch.

Planted: two in five of Alder's parcels are late in the last quarter (switch ``drop``); Birch's campaign, which sells
and raises what its readers expect of delivery; managers of Alder who believe delivery to be better than it is; silos
whose ids disagree (``silos``); rows that are wrong on purpose (``dirt``). Comments are written from the touchpoints
used, the extreme ones first. Region has no effect on anything, nor has the app, nor a price list of Alder's: controls
inside the demo.

No real person is in it: e-mail domains are reserved (RFC 2606), phone numbers are 555-01xx or of a Chinese block that
no operator holds.
"""

from cxlab.synthetic.settings import WorldSettings
from cxlab.synthetic.truth import Truth
from cxlab.synthetic.world import World, generate, write, write_truth

__all__ = ["Truth", "World", "WorldSettings", "generate", "write", "write_truth"]
