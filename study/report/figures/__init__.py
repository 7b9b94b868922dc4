"""One module a kind of figure; `registry` lists them all."""
