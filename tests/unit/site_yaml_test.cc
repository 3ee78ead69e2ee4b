// The strict YAML layer: what is text stays text, positions are those of the file, and each thing that a configuration
// must not contain is refused where it stands. Then the writer, shown by reading back what it wrote.

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include "router/site/yaml.h"
#include "router/site/yaml_writer.h"
#include "tests/unit/site_fixtures.h"

namespace fairlead {
namespace {

std::vector<YamlNode> parse_good(std::string_view text) {
  Diagnostics diagnostics;
  auto documents = parse_yaml(text, "f.yaml", diagnostics);
  EXPECT_EQ(errors_of(diagnostics), std::vector<std::string>{});
  return documents;
}

std::vector<std::string> parse_bad(std::string_view text) {
  Diagnostics diagnostics;
  parse_yaml(text, "f.yaml", diagnostics);
  return errors_of(diagnostics);
}

TEST(Yaml, ScalarsStayTheTextTheyAre) {
  for (const char* text : {"0123", "no", "NO", "1e3", "0x10", ".inf", "2026-01-05", "true", "1_000"}) {
    const auto documents = parse_good(fmt::format("a: {}\nb: \"{}\"\n", text, text));
    ASSERT_EQ(documents.size(), 1U);
    ASSERT_NE(documents[0].find("a"), nullptr);
    EXPECT_EQ(documents[0].find("a")->text, text);
    EXPECT_FALSE(documents[0].find("a")->quoted);
    EXPECT_EQ(documents[0].find("b")->text, text);
    EXPECT_TRUE(documents[0].find("b")->quoted);
  }
}

TEST(Yaml, NullsAreNothing) {
  const auto documents = parse_good("a: ~\nb: null\nc:\nd: \"null\"\n");
  ASSERT_EQ(documents.size(), 1U);
  EXPECT_EQ(documents[0].find("a")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ(documents[0].find("b")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ(documents[0].find("c")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ(documents[0].find("d")->text, "null");
  EXPECT_EQ(documents[0].find("e"), nullptr);
}

TEST(Yaml, PositionsCountFromOne) {
  const auto documents = parse_good("# comment\n---\na:\n  - b: c\n---\nd: e\n");
  ASSERT_EQ(documents.size(), 2U);
  const YamlNode& list = *documents[0].find("a");
  ASSERT_EQ(list.items.size(), 1U);
  EXPECT_EQ(list.items[0].find("b")->position.line, 4);
  EXPECT_EQ(list.items[0].find("b")->position.column, 8);
  EXPECT_EQ(documents[1].find("d")->position.line, 6);
  EXPECT_EQ(documents[1].position.file, "f.yaml");
}

TEST(Yaml, EmptyDocumentsAreLeftOut) {
  EXPECT_TRUE(parse_good("").empty());
  EXPECT_TRUE(parse_good("# only a comment\n").empty());
  EXPECT_EQ(parse_good("---\n---\na: b\n---\n").size(), 1U);
}

TEST(Yaml, JsonIsYaml) {
  const auto documents = parse_good("{\n\t\"a\": [1, \"two\", {\"b\": null}],\n\t\"c\": \"x\\u00e9\\ny\"\n}\n");
  ASSERT_EQ(documents.size(), 1U);
  EXPECT_EQ(documents[0].find("a")->items.size(), 3U);
  EXPECT_EQ(documents[0].find("c")->text, "x\xc3\xa9\ny");
}

TEST(Yaml, RefusesWhatAConfigurationMustNotContain) {
  using Errors = std::vector<std::string>;
  EXPECT_EQ(parse_bad("a: 1\nb: 2\na: 3\n"), Errors{"3:1: the key 'a' is already there in line 1; keep one of them"});
  EXPECT_EQ(parse_bad("a: &x 1\n"),
            Errors{"1:4: found an anchor ('&name'); anchors are not allowed, write the value out"});
  EXPECT_EQ(parse_bad("a: !!int 1\n"), Errors{"1:4: found the tag 'tag:yaml.org,2002:int'; tags are not allowed"});
  EXPECT_EQ(parse_bad("[a]: 1\n"), Errors{"1:1: found a list as a key; allowed is text"});
  EXPECT_EQ(parse_bad("? {a: b}\n: 1\n"), Errors{"1:3: found a map as a key; allowed is text"});
  EXPECT_EQ(parse_bad("~: 1\n"), Errors{"1:1: found nothing as a key; allowed is text"});
}

TEST(Yaml, ADuplicateNamesTheLineOfTheKeyAndNotOfItsBlock) {
  EXPECT_EQ(parse_bad("a:\n\n  b: 1\nc: 2\na:\n  b: 3\n"),
            std::vector<std::string>{"5:1: the key 'a' is already there in line 1; keep one of them"});
}

TEST(Yaml, ATabIsCalledATab) {
  for (const auto& [text, line] : {std::pair{"a:\n\tb: c\n", 2},
                                   {"a:\n  b: c\n\td: e\n", 3},
                                   {"a:\n  b:\n  \tc: d\n", 3},
                                   {"# {\na:\n\t- b\n", 3},
                                   {"a: |\n\tb\n", 2}}) {
    const auto errors = parse_bad(text);
    ASSERT_EQ(errors.size(), 1U) << text;
    EXPECT_TRUE(errors[0].starts_with(fmt::format("{}:", line))) << errors[0];
    EXPECT_TRUE(errors[0].ends_with("not valid YAML: the line is indented with a tab; allowed are spaces only"))
        << errors[0];
  }
  // Whatever is wrong with JSON, it is not its tabs.
  for (const char* text : {"{\n\t\"a\": [1\n\t}\n", "{\n\t\"a\": \"b\" \"c\"\n}\n"}) {
    const auto errors = parse_bad(text);
    ASSERT_EQ(errors.size(), 1U) << text;
    EXPECT_EQ(errors[0].find("a tab"), std::string::npos) << errors[0];
  }
}

TEST(Yaml, WhatCouldNotBeReadIsNoted) {
  for (const auto& [text, complete] : {std::pair{"a: 1\na: 2\n", true},
                                       {"a: !!int 1\n", true},
                                       {"a: b\n---\nc: [d\n", false},
                                       {"a: &x 1\n", false},
                                       {"a: *x\n", false}}) {
    Diagnostics diagnostics;
    parse_yaml(text, "f.yaml", diagnostics);
    EXPECT_TRUE(diagnostics.has_errors()) << text;
    EXPECT_EQ(diagnostics.complete(), complete) << text;
  }
}

TEST(Yaml, AllDuplicatesOfAFileAreReported) {
  EXPECT_EQ(parse_bad("a: 1\na: 2\nb: {c: 1, c: 2}\n---\nd: 1\nd: {e: [1]}\n").size(), 3U);
}

TEST(Yaml, BillionLaughsIsRefusedAtItsFirstAnchor) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; i++) {
    text += fmt::format("a{0}: &a{0} [*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1}]\n", i, i - 1);
  }
  EXPECT_EQ(parse_bad(text).size(), 1U);
}

TEST(Yaml, SyntaxErrorsSayWhere) {
  const auto errors = parse_bad("a: b\nc: [d\n");
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_TRUE(errors[0].starts_with("3:1: not valid YAML: ")) << errors[0];
}

TEST(Yaml, DocumentsBeforeASyntaxErrorAreReturned) {
  Diagnostics diagnostics;
  EXPECT_EQ(parse_yaml("a: b\n---\nc: [d\n", "f", diagnostics).size(), 1U);
  EXPECT_EQ(diagnostics.error_count(), 1U);
}

TEST(Yaml, BoundsHold) {
  const std::string deepest(YamlLimits::kDepthMax, '[');
  EXPECT_EQ(parse_good(deepest + std::string(YamlLimits::kDepthMax, ']')).size(), 1U);
  EXPECT_EQ(parse_bad("[" + deepest + std::string(YamlLimits::kDepthMax + 1, ']')).size(), 1U);
  // Far deeper than any stack: the library itself must not be what gives way.
  EXPECT_EQ(parse_bad(std::string(200'000, '[')).size(), 1U);
  EXPECT_EQ(parse_bad(std::string(200'000, '-') + " ").size(), 0U);  // one plain scalar

  std::string many = "[";
  for (std::size_t i = 0; i < YamlLimits::kNodesMax; i++)
    many += "1,";
  many += "]";
  const auto errors = parse_bad(many);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_NE(errors[0].find("more than 100000 values"), std::string::npos) << errors[0];

  EXPECT_EQ(parse_bad(std::string(YamlLimits::kFileBytesMax + 1, ' ')).size(), 1U);
}

TEST(Yaml, MessagesShowNoControlCharacters) {
  const auto errors = parse_bad("\"\\e[2Ja\": 1\n\"\\e[2Ja\": 2\n");
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].find('\x1b'), std::string::npos);
  EXPECT_NE(errors[0].find("\\x1b[2Ja"), std::string::npos) << errors[0];
}

TEST(YamlWriter, ReadsBackAsItWas) {
  nlohmann::ordered_json json;
  for (const char* text : {"",
                           "yes",
                           "No",
                           "null",
                           "~",
                           "123",
                           "1e3",
                           "0x1f",
                           "2026-01-05T10:00:00Z",
                           "a: b",
                           "- a",
                           "#x",
                           "a #b",
                           "plain words",
                           "west-1.example",
                           "line\nbreak",
                           "\"quoted\"",
                           "'",
                           "é",
                           " lead",
                           "trail ",
                           "&a",
                           "*a",
                           "!a",
                           "%a",
                           "@a",
                           "\t",
                           "{",
                           "[]",
                           "a\\b",
                           "y",
                           "0.412ms",
                           "=",
                           "<<"}) {
    json["texts"].push_back(text);
    json["keys"][text] = text;
  }
  json["number"] = 18446744073709551615ULL;
  json["negative"] = -7;
  json["flag"] = true;
  json["nothing"] = nullptr;
  json["empty list"] = nlohmann::ordered_json::array();
  json["empty map"] = nlohmann::ordered_json::object();
  const std::string text = to_yaml(json);

  Diagnostics diagnostics;
  const auto documents = parse_yaml(text, "f", diagnostics);
  ASSERT_EQ(errors_of(diagnostics), std::vector<std::string>{}) << text;
  ASSERT_EQ(documents.size(), 1U);
  const YamlNode& texts = *documents[0].find("texts");
  ASSERT_EQ(texts.items.size(), json["texts"].size());
  for (std::size_t i = 0; i < texts.items.size(); i++) {
    EXPECT_EQ(texts.items[i].kind, YamlNode::Kind::kScalar);
    EXPECT_EQ(texts.items[i].text, json["texts"][i].get<std::string>()) << text;
    const YamlNode* by_key = documents[0].find("keys")->find(texts.items[i].text);
    ASSERT_NE(by_key, nullptr) << texts.items[i].text;
    EXPECT_EQ(by_key->text, texts.items[i].text);
  }
  EXPECT_EQ(documents[0].find("number")->text, "18446744073709551615");
  EXPECT_FALSE(documents[0].find("number")->quoted);
  EXPECT_EQ(documents[0].find("flag")->text, "true");
  EXPECT_FALSE(documents[0].find("flag")->quoted);
  EXPECT_EQ(documents[0].find("nothing")->kind, YamlNode::Kind::kNull);
  EXPECT_EQ(documents[0].find("empty list")->kind, YamlNode::Kind::kSequence);
  EXPECT_EQ(documents[0].find("empty map")->kind, YamlNode::Kind::kMap);
}

TEST(YamlWriter, TextThatLooksLikeSomethingElseIsQuoted) {
  for (const char* text : {"yes", "On", "null", "123", "1e3", "2026-01-05", "true", ".5", "", "nan"}) {
    nlohmann::ordered_json json;
    json["a"] = text;
    EXPECT_EQ(to_yaml(json), fmt::format("a: \"{}\"\n", text));
  }
}

}  // namespace
}  // namespace fairlead
