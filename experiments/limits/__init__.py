"""Where the mechanism breaks: how each known attack pays, from which share of the workers on."""
