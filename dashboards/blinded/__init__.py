"""Pages for everyone: built from allocation.views.blinded alone, so that nothing on them can depend on an arm."""
