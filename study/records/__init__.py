"""Where a study is kept, so that nothing is lost: its folder, its tables, and copies on object stores."""
