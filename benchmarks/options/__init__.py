"""What each option does to the pictures: a sweep and a page for every group."""
