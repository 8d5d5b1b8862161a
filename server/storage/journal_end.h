// The end of a journal, made to last.
#pragma once

#include <string>

namespace backprop::server {

// SQLite ends a commit by writing zeros over the head of the file's rollback journal. A process that was killed before
// that was synced, or for which the sync failed, left a change that can be read, and that a loss of power would undo.
// Whoever reads it may tell others, so it has to last first: this writes the zeros again, in place, which needs no room
// on the disk, and syncs them. Of `path`, a database that was read, so that no journal was left to be rolled back;
// `vfs` is SQLite's name of a file system, or empty. Throws StorageException.
void MakeJournalEndLast(const std::string& path, const std::string& vfs);

}  // namespace backprop::server
