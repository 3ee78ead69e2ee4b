// Resources as documents, out of files that a user names.
#pragma once

#include <string>
#include <vector>

#include "router/site/input_files.h"
#include "transport/base/error.h"

namespace fairlead {

// Those of a file, in their order; "-" is the standard input. What is wrong with it is said on stderr besides.
Result<std::vector<InputFiles::Document>> read_documents(const std::string& file);

}  // namespace fairlead
