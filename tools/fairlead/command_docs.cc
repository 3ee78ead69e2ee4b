#include "tools/fairlead/command_docs.h"

#include <algorithm>
#include <vector>

#include "version.h"
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fairlead {

namespace {

// A command with the words that lead to it: "link status".
struct Command {
  const CLI::App* app;
  std::string path;
};

std::vector<const CLI::App*> children(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void collect(const CLI::App& app, const std::string& path, std::vector<Command>& commands) {
  commands.push_back({&app, path});
  for (const CLI::App* child : children(app))
    collect(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), commands);
}

std::vector<Command> all_commands(const CLI::App& app) {
  std::vector<Command> commands;
  collect(app, "", commands);
  return commands;
}

// "-o", "--output".
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames())
    names.push_back("-" + name);
  for (const std::string& name : option.get_lnames())
    names.push_back("--" + name);
  return names;
}

bool is_help(const CLI::Option& option) {
  return option.get_lnames() == std::vector<std::string>{"help"};
}

// "SECONDS", without what the library adds about its bounds.
std::string type_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

bool takes_value(const CLI::Option& option) {
  return option.get_items_expected_max() > 0;
}

// Those of an option whose type is a choice: "json|yaml".
std::vector<std::string> choices_of(const CLI::Option& option) {
  std::vector<std::string> choices;
  const std::string type = type_of(option);
  if (type.find('|') == std::string::npos || type != CLI::detail::to_lower(type)) return choices;
  for (const std::string& choice : CLI::detail::split(type, '|'))
    choices.push_back(choice);
  return choices;
}

std::vector<const CLI::Option*> options_at(const CLI::App& app) {
  std::vector<const CLI::Option*> options;
  for (const CLI::App* level = &app; level != nullptr; level = level->get_parent()) {
    for (const CLI::Option* option : level->get_options()) {
      const bool known = std::ranges::any_of(options, [&](const CLI::Option* other) {
        return other->get_lnames() == option->get_lnames() && !option->get_lnames().empty();
      });
      if (!names_of(*option).empty() && !known) options.push_back(option);
    }
  }
  return options;
}

std::string words_at(const Command& command) {
  std::vector<std::string> words;
  for (const CLI::App* child : children(*command.app))
    words.push_back(child->get_name());
  for (const CLI::Option* option : command.app->get_options()) {
    const auto choices = choices_of(*option);
    if (names_of(*option).empty()) words.insert(words.end(), choices.begin(), choices.end());
  }
  for (const CLI::Option* option : options_at(*command.app)) {
    const auto names = names_of(*option);
    words.insert(words.end(), names.begin(), names.end());
  }
  return fmt::format("{}", fmt::join(words, " "));
}

std::string bash_completion(const CLI::App& app) {
  const auto commands = all_commands(app);
  std::string paths;
  std::string values;
  std::string words;
  for (const Command& command : commands) {
    if (!command.path.empty()) paths += fmt::format("{}\"{}\"", paths.empty() ? "" : "|", command.path);
    words += fmt::format("    \"{}\") words='{}' ;;\n", command.path, words_at(command));
    for (const CLI::Option* option : options_at(*command.app)) {
      const auto choices = choices_of(*option);
      if (!takes_value(*option)) continue;
      for (const std::string& name : names_of(*option)) {
        values += fmt::format("    \"{} {}\") words='{}'; found=1 ;;\n", command.path, name, fmt::join(choices, " "));
      }
    }
  }
  return fmt::format(
      "# Completion of fairlead for bash; made by 'fairlead completion bash'.\n"
      "_fairlead() {{\n"
      "  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} path='' word words='' "
      "found=''\n"
      "  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n"
      "    case \"${{path:+$path }}$word\" in\n"
      "    {}) path=${{path:+$path }}$word ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$path $previous\" in\n"
      "{}  esac\n"
      "  [ -n \"$found\" ] || case \"$path\" in\n"
      "{}  esac\n"
      "  # Without a word of ours, files are offered.\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "}}\n"
      "complete -o default -F _fairlead fairlead\n",
      paths, values, words);
}

std::string quoted_for_fish(std::string text) {
  for (std::size_t at = 0; (at = text.find_first_of("\\'", at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return "'" + text + "'";
}

std::string fish_completion(const CLI::App& app) {
  std::string text =
      "# Completion of fairlead for fish; made by 'fairlead completion fish'.\n"
      "function __fairlead_at\n"
      "  set -l words\n"
      "  for word in (commandline -opc)[2..]\n"
      "    string match -q -- '-*' $word; or set -a words $word\n"
      "  end\n"
      "  test (count $words) -ge (count $argv); and test \"$words[1..\"(count $argv)\"]\" = \"$argv\"; or test -z "
      "\"$argv\"\n"
      "end\n"
      "function __fairlead_just_at\n"
      "  set -l words\n"
      "  for word in (commandline -opc)[2..]\n"
      "    string match -q -- '-*' $word; or set -a words $word\n"
      "  end\n"
      "  test \"$words\" = \"$argv\"\n"
      "end\n";
  for (const Command& command : all_commands(app)) {
    for (const CLI::App* child : children(*command.app)) {
      text += fmt::format("complete -c fairlead -n '__fairlead_just_at {}' -fa {} -d {}\n", command.path,
                          child->get_name(), quoted_for_fish(child->get_description()));
    }
    for (const CLI::Option* option : command.app->get_options()) {
      if (names_of(*option).empty()) continue;
      text += fmt::format("complete -c fairlead -n '__fairlead_at {}'", command.path);
      for (const std::string& name : option->get_snames())
        text += " -s " + name;
      for (const std::string& name : option->get_lnames())
        text += " -l " + name;
      const auto choices = choices_of(*option);
      if (!choices.empty()) {
        text += fmt::format(" -xa '{}'", fmt::join(choices, " "));
      } else if (takes_value(*option)) {
        text += " -r";
      }
      text += fmt::format(" -d {}\n", quoted_for_fish(option->get_description()));
    }
  }
  return text;
}

// A backslash, and a dot or quote at the beginning of a line, mean something to roff.
std::string roff(const std::string& text) {
  std::string result;
  bool at_line_begin = true;
  for (const char c : text) {
    if (at_line_begin && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else {
      result += c;
    }
    at_line_begin = c == '\n';
  }
  return result;
}

std::string usage_of(const Command& command) {
  std::string usage = "fairlead " + command.path;
  for (const CLI::Option* option : command.app->get_options()) {
    if (!names_of(*option).empty()) continue;
    usage += option->get_required() ? " " + option->get_name() : " [" + option->get_name() + "]";
  }
  return usage;
}

std::string manual_of_options(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    const auto names = names_of(*option);
    if (is_help(*option) && app.get_parent() != nullptr) continue;
    const std::string type = takes_value(*option) ? type_of(*option) : std::string();
    std::vector<std::string> bold;
    for (const std::string& name : names)
      bold.push_back("\\fB" + roff(name) + "\\fR");
    text += ".TP\n" +
            (names.empty() ? "\\fI" + roff(option->get_name()) + "\\fR" : fmt::format("{}", fmt::join(bold, ", ")));
    if (!names.empty() && !type.empty()) text += " \\fI" + roff(type) + "\\fR";
    text += "\n" + roff(option->get_description());
    if (!option->get_default_str().empty()) text += roff(fmt::format(" ({})", option->get_default_str()));
    text += "\n";
  }
  return text;
}

}  // namespace

std::string completion_of(const CLI::App& app, Shell shell) {
  if (shell == Shell::kFish) return fish_completion(app);
  if (shell == Shell::kBash) return bash_completion(app);
  return "#compdef fairlead\n# By what zsh has for completions of bash.\nautoload -U +X bashcompinit && "
         "bashcompinit\n" +
         bash_completion(app);
}

std::string manual_of(const CLI::App& app) {
  std::string text = fmt::format(
      ".TH FAIRLEAD 1 \"\" \"fairlead {}\"\n"
      ".SH NAME\nfairlead \\- a site gateway for bare\\-metal Linux\n"
      ".SH SYNOPSIS\n.B fairlead\n\\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n"
      ".SH DESCRIPTION\n{}\n"
      ".SH OPTIONS\nThey may stand behind a command too.\n{}"
      ".SH COMMANDS\n",
      FAIRLEAD_VERSION, roff(app.get_description()), manual_of_options(app));
  for (const Command& command : all_commands(app)) {
    if (command.path.empty() || !children(*command.app).empty()) continue;
    text += fmt::format(".SS {}\n{}\n{}", roff(usage_of(command)), roff(command.app->get_description() + "."),
                        manual_of_options(*command.app));
  }
  return text +
         ".SH EXIT STATUS\n0 done; 1 it failed; 2 the command line or the input is wrong.\n"
         ".SH FILES\n.nf\n" +
         roff(app.get_footer()) + "\n.fi\n";
}

}  // namespace fairlead
