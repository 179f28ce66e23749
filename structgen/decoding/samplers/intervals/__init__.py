"""Intervals of 95 % that hold on every law, for every number of draws, and wherever a run stops.

`docs/inside/intervals.md` has the mathematics, with its proofs. In short:

1. `attempts`: what a run tried, dead ends too. An attempt is an unbiased estimate of the mass of the valid
   texts, between 0 and a bound that was proven before the attempt began.
2. `betting`: a bettor bets that a hypothesis about a mean is false. If it is true, his capital reaches 40
   times its beginning in at most one of 40 runs (Ville's inequality). So a hypothesis at which it does is
   refused, and the others are the interval.
3. `binomial`: shares of independent draws, whose interval needs no bets.
4. `figures`: means and shares of draws, each with its interval, cut to what the known texts prove.
5. `field_paths` names the fields of draws; `columns` are the numbers of a function at each draw;
   `value_ranges` the bounds of numbers in valid texts.

What comes in: attempts and draws. What goes out: `Interval`s, or None.
"""
