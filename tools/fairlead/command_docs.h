// What is made of the definitions of the command line besides its help: completion for shells, and the manual page.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace fairlead {

enum class Shell : std::uint8_t { kBash, kZsh, kFish };

std::string completion_of(const CLI::App& app, Shell shell);

// roff, for man(1).
std::string manual_of(const CLI::App& app);

}  // namespace fairlead
