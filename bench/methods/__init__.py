"""Published methods, one file each, on the public extension points."""
