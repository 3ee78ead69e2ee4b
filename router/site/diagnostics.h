// Diagnostics: everything that is wrong or odd about a site's input, collected so that a user sees all of it at once.
// Each entry says where (file, line, column, resource, field), what was found and what is allowed. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead {

// A place in an input file. Line and column count from 1; line 0 means the file as a whole.
struct Position {
  std::string file;
  int line = 0;
  int column = 0;
};

// "file:line:column", shorter where less is known.
std::string to_string(const Position& position);

enum class Severity : std::uint8_t { kWarning, kError };

struct Diagnostic {
  Severity severity = Severity::kError;
  Position position;
  std::string message;  // names resource and field first: "Link west: spec.cost: found 0; allowed is 1..2147483647"
};

// "input/west.yaml:7:9: error: Link west: spec.cost: …"
std::string to_string(const Diagnostic& diagnostic);
// The same without "error: ", for places that say so themselves.
std::string without_severity(const Diagnostic& diagnostic);

class Diagnostics {
 public:
  void error(Position position, std::string_view message);
  void warning(Position position, std::string_view message);

  // Some of the input could not be read, which is reported: what seems to be missing may be in there.
  void note_incomplete() noexcept { complete_ = false; }

  bool complete() const noexcept { return complete_; }

  const std::vector<Diagnostic>& items() const noexcept { return items_; }

  std::size_t error_count() const noexcept { return error_count_; }

  std::size_t warning_count() const noexcept { return items_.size() - error_count_; }

  bool has_errors() const noexcept { return error_count_ != 0; }

 private:
  std::vector<Diagnostic> items_;
  std::size_t error_count_ = 0;
  bool complete_ = true;
};

// `text` between single quotes, cut to a sensible length, with control characters made visible: what a user wrote may
// be anything, and must not garble a terminal or a log.
std::string in_quotes(std::string_view text);

}  // namespace fairlead
