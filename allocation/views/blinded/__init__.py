"""Views for everyone: no query here selects an arm, a kit type, a lot, a block, a list position, a dose or a protocol hash."""
