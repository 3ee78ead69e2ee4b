// From YAML documents to Resources: which kinds there are, and which fields each has. Types, syntax of names and hosts,
// ranges and enumerations are checked here, field by field; what needs more than one document is checked in validate.h.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "router/site/resources.h"

namespace fairlead {

// Adds the documents of one file's text to `resources`. A document with errors is reported, marked, and kept as far as
// it could be read, so that later checks do not miss what is there. Unknown kinds are ignored with a warning.
void read_resources(std::string_view text, const std::string& file, Resources& resources, Diagnostics& diagnostics);

// The same for files. Input files are *.yaml, *.yml and *.json, read in the order of their names.
void read_resource_files(const std::vector<std::filesystem::path>& files, Resources& resources,
                         Diagnostics& diagnostics);
std::vector<std::filesystem::path> list_resource_files(const std::filesystem::path& directory,
                                                       Diagnostics& diagnostics);

}  // namespace fairlead
