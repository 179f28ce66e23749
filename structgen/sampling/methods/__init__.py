"""The methods, a file each: a function `draw(run)` that returns what was drawn, with the paper it is from."""
