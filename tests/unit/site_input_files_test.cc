// Documents of the input as commands change them: in their place, with what stands around them as it was.
#include <gtest/gtest.h>

#include "router/site/input_files.h"
#include "router/site/yaml_writer.h"
#include "tests/unit/site_fixtures.h"

namespace fairlead {
namespace {

using Json = nlohmann::ordered_json;

class InputFilesTest : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) const {
    root_.write("namespaces/default/input/resources/" + file, text);
  }

  InputFiles read() const {
    auto input = InputFiles::read(paths_);
    EXPECT_TRUE(input) << input.error().message;
    return std::move(*input);
  }

  static Json document(const std::string& kind, const std::string& name, int port) {
    return {{"kind", kind}, {"metadata", {{"name", name}}}, {"spec", {{"port", port}}}};
  }

  TemporaryDirectory root_;
  NamespacePaths paths_{root_.path(), "default"};
};

TEST_F(InputFilesTest, ValuesKeepTheirTypes) {
  write("a.yaml",
        "kind: A\nmetadata: {name: a}\nspec: {number: 5, text: '5', flag: true, word: 'true', none: null, octal: 0123, "
        "list: [1, x]}\n");
  const Json spec = read().find("A", "a")->at("spec");
  EXPECT_EQ(spec.dump(),
            R"({"number":5,"text":"5","flag":true,"word":"true","none":null,"octal":"0123","list":[1,"x"]})");
}

TEST_F(InputFilesTest, WhatIsChangedStaysWhereItIs) {
  const std::string first = "# of the first\nkind: A\nmetadata: {name: a}  # the name\n";
  const std::string last = "# of the last\nkind: C\nmetadata: {name: c}\n";
  write(
      "many.yaml",
      first + "---\n# of the second\n# in two lines\nkind: B\nmetadata: {name: b}\nspec: {port: 1}\n--- # c\n" + last);
  InputFiles input = read();
  EXPECT_EQ(input.documents().size(), 3U);
  EXPECT_TRUE(input.changes().empty());
  Json changed = *input.find("B", "b");
  input.put(changed);
  EXPECT_TRUE(input.changes().empty()) << "nothing differs";
  changed["spec"]["port"] = 2;
  input.put(changed);
  const auto changes = input.changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].file.filename(), "many.yaml");
  EXPECT_EQ(*changes[0].text, first + "---\n# of the second\n# in two lines\n" + to_yaml(changed) + "---\n" + last);
}

TEST_F(InputFilesTest, WhatIsNewGetsAFile) {
  InputFiles input = read();
  input.put(document("A", "a", 1));
  input.put(document("A", "b", 2));
  const auto changes = input.changes();
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].file, paths_.input_resources() / "A-a.yaml");
  EXPECT_EQ(*changes[1].text, to_yaml(document("A", "b", 2)));
}

TEST_F(InputFilesTest, AFileOfThatNameThatHoldsSomethingElseKeepsIt) {
  write("A-a.yaml", "kind: B\nmetadata: {name: b}\n");
  InputFiles input = read();
  input.put(document("A", "a", 1));
  ASSERT_EQ(input.changes().size(), 1U);
  EXPECT_EQ(*input.changes()[0].text, "kind: B\nmetadata: {name: b}\n---\n" + to_yaml(document("A", "a", 1)));
}

TEST_F(InputFilesTest, WhatIsRemovedLeavesTheOthersAndAnEmptyFileGoes) {
  write("many.yaml", "kind: A\nmetadata: {name: a}\n---\nkind: B\nmetadata: {name: b}\n");
  InputFiles input = read();
  EXPECT_FALSE(input.remove("A", "b"));
  EXPECT_TRUE(input.remove("A", "a"));
  ASSERT_EQ(input.changes().size(), 1U);
  EXPECT_EQ(*input.changes()[0].text, "kind: B\nmetadata: {name: b}\n");
  EXPECT_TRUE(input.remove("B", "b"));
  ASSERT_EQ(input.changes().size(), 1U);
  EXPECT_FALSE(input.changes()[0].text);
}

TEST_F(InputFilesTest, WhatIsPutAndRemovedAgainIsNoChange) {
  InputFiles input = read();
  input.put(document("A", "a", 1));
  EXPECT_TRUE(input.remove("A", "a"));
  EXPECT_TRUE(input.changes().empty());
}

TEST_F(InputFilesTest, AFileThatCannotBeReadIsLeftAlone) {
  write("good.yaml", "kind: A\nmetadata: {name: a}\n");
  write("bad.yaml", "kind: [\n");
  const auto input = InputFiles::read(paths_);
  ASSERT_FALSE(input);
  EXPECT_NE(input.error().message.find("bad.yaml"), std::string::npos) << input.error().message;
}

}  // namespace
}  // namespace fairlead
