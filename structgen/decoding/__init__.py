"""Models write texts: the engine, drafts, samplers and the filling of holes."""
