// The verbs that change a resource, and their options, for each kind that has them: site, listener, connector, link,
// token. Skupper's names and defaults.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "tools/fairlead/arguments.h"

namespace fairlead {

class ResourceOptions {
 public:
  // Adds the verbs that `kind` has below `command`.
  void add(CLI::App& command, std::string_view kind);

  // What was on the command line, if it was one of them.
  std::optional<ResourceChangeArguments> selected() const;

 private:
  struct Entry {
    const CLI::App* command;
    std::unique_ptr<ResourceChangeArguments> arguments;
  };

  CLI::App& add_verb(CLI::App& command, std::string_view kind, ResourceVerb verb);

  std::vector<Entry> entries_;
};

}  // namespace fairlead
