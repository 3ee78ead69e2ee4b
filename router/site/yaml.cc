#include "router/site/yaml.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

namespace fairlead {

namespace {

// Ends the parse of a file after an error that makes the rest meaningless; it is reported already.
struct StopParsing {};

// Builds the tree from the parser's events. A map's next node is a key or the value of the key before.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& file, Diagnostics& diagnostics, std::size_t nodes_max)
      : file_(file), diagnostics_(diagnostics), nodes_max_(nodes_max) {}

  std::vector<YamlNode> take_documents() { return std::move(documents_); }

  Position position_of(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    static_cast<void>(mark);
    open_.clear();
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add(make_node(mark, YamlNode::Kind::kNull));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    static_cast<void>(anchor);
    diagnostics_.error(position_of(mark), "found an alias ('*name'); aliases are not allowed, write the value out");
    throw StopParsing{};
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    YamlNode node = make_node(mark, YamlNode::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    static_cast<void>(style);
    open(mark, tag, anchor, YamlNode::Kind::kSequence);
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    static_cast<void>(style);
    open(mark, tag, anchor, YamlNode::Kind::kMap);
  }

  void OnMapEnd() override { close(); }

 private:
  struct Open {
    YamlNode node;
    bool has_key = false;
    bool skip_value = false;  // of a key that was reported
    YamlEntry entry;          // whose value comes next
    std::set<std::string> keys;
  };

  YamlNode make_node(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (++node_count_ > nodes_max_) {
      diagnostics_.error(position_of(mark), fmt::format("the file has more than {} values; split it", nodes_max_));
      throw StopParsing{};
    }
    YamlNode node;
    node.kind = kind;
    node.position = position_of(mark);
    return node;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == YAML::NullAnchor) return;
    diagnostics_.error(position_of(mark), "found an anchor ('&name'); anchors are not allowed, write the value out");
    throw StopParsing{};
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    // yaml-cpp's own marks: "?" for a plain scalar or collection, "!" for a quoted scalar.
    if (tag.empty() || tag == "?" || tag == "!") return;
    diagnostics_.error(position_of(mark), fmt::format("found the tag {}; tags are not allowed", in_quotes(tag)));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (open_.size() >= YamlLimits::kDepthMax) {
      diagnostics_.error(position_of(mark), fmt::format("nested more than {} levels deep", YamlLimits::kDepthMax));
      throw StopParsing{};
    }
    Open level;
    level.node = make_node(mark, kind);
    open_.push_back(std::move(level));
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  void add(YamlNode node) {
    if (open_.empty()) {
      if (node.kind != YamlNode::Kind::kNull) documents_.push_back(std::move(node));
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::kSequence) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_key) {
      parent.has_key = false;
      parent.entry.value = std::move(node);
      if (!parent.skip_value) parent.node.entries.push_back(std::move(parent.entry));
    } else {
      add_key(parent, std::move(node));
    }
  }

  void add_key(Open& parent, YamlNode node) {
    parent.has_key = true;
    parent.skip_value = true;
    parent.entry = YamlEntry{std::move(node.text), node.position, {}};
    if (node.kind != YamlNode::Kind::kScalar) {
      diagnostics_.error(node.position, fmt::format("found {} as a key; allowed is text", describe(node)));
    } else if (!parent.keys.insert(parent.entry.key).second) {
      const Position& first = std::ranges::find(parent.node.entries, parent.entry.key, &YamlEntry::key)->position;
      diagnostics_.error(node.position, fmt::format("the key {} is already there in line {}; keep one of them",
                                                    in_quotes(parent.entry.key), first.line));
    } else {
      parent.skip_value = false;
    }
  }

  const std::string& file_;
  Diagnostics& diagnostics_;
  std::size_t nodes_max_;
  std::vector<YamlNode> documents_;
  std::vector<Open> open_;
  std::size_t node_count_ = 0;
};

// `line` counts from 1. In JSON tabs are as good as spaces.
bool is_indented_with_tab(std::string_view text, int line) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos || text[begin] == '{' || text[begin] == '[') return false;
  for (int skipped = 1; skipped < line; skipped++) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find_first_not_of(" \t")).find('\t') != std::string_view::npos;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return in_quotes(node.text);
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

std::vector<YamlNode> parse_yaml(std::string_view text, const std::string& file, Diagnostics& diagnostics,
                                 YamlLimits limits) {
  if (text.size() > limits.bytes_max) {
    diagnostics.error({file}, fmt::format("the file has {} bytes; allowed are {}", text.size(), limits.bytes_max));
    diagnostics.note_incomplete();
    return {};
  }
  TreeBuilder builder(file, diagnostics, limits.nodes_max);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const StopParsing&) {
    // Reported where it was found.
    diagnostics.note_incomplete();
  } catch (const YAML::Exception& exception) {
    const Position position = builder.position_of(exception.mark);
    // The library says what it did not expect behind a tab, and not that the tab is the mistake.
    const bool tab = is_indented_with_tab(text, position.line);
    diagnostics.error(position, fmt::format("not valid YAML: {}", tab ? "the line is indented with a tab; allowed are "
                                                                        "spaces only"
                                                                      : exception.msg));
    diagnostics.note_incomplete();
  } catch (const std::exception& exception) {
    diagnostics.error({file}, fmt::format("not valid YAML: {}", exception.what()));
    diagnostics.note_incomplete();
  }
  return builder.take_documents();
}

}  // namespace fairlead
