// An option of the command line whose value is one of a few words.
#pragma once

#include <map>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace fairlead {

// Says which values there are, where the library would print the numbers behind them.
template <class T>
CLI::Option* add_choice(CLI::App& app, const std::string& name, T& value, const std::map<std::string, T>& choices,
                        const std::string& description) {
  std::string list;
  for (const auto& [word, unused] : choices)
    list += (list.empty() ? "" : "|") + word;
  const auto set = [&value, &choices](const std::string& word) { value = choices.at(word); };
  const auto is_known = [&choices, list](const std::string& word) {
    return choices.contains(word) ? std::string() : fmt::format("found '{}'; allowed is {}", word, list);
  };
  return app.add_option_function<std::string>(name, set, description)
      ->check(CLI::Validator(is_known, ""))
      ->type_name(list);
}

}  // namespace fairlead
