// What commands say about input that is wrong, and how they find a namespace's files.
#pragma once

#include <optional>

#include "router/site/diagnostics.h"
#include "router/site/paths.h"
#include "tools/fairlead/arguments.h"
#include "transport/base/error.h"

namespace fairlead {

// Nothing if there is no data root; that is said on stderr already.
std::optional<NamespacePaths> find_namespace(const CommonArguments& common);

// All of them on stderr, and after errors a line that sums up.
void print_diagnostics(const Diagnostics& diagnostics);

// On stderr, with the command that starts it.
void print_not_running(const NamespacePaths& paths);

// "fairlead: <message>" on stderr.
void print_error(const Error& error);

// Whether all that was printed to stdout since the last call got there; says on stderr that it did not. A full disk
// behind a redirection must not look like success.
bool flush_output();

}  // namespace fairlead
