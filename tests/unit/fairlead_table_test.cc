// Tables and figures of the command line.

#include <gtest/gtest.h>

#include "tools/fairlead/table.h"

namespace fairlead {
namespace {

TEST(Table, ColumnsLineUpWithoutTrailingSpace) {
  EXPECT_EQ(format_table({{"NAME", "STATUS"}, {"a", "Ready"}, {"longer", ""}}),
            "NAME    STATUS\na       Ready\nlonger  -\n");
  EXPECT_EQ(format_table({{"é", "b"}, {"ab", "c"}}), "é   b\nab  c\n");
  EXPECT_EQ(format_table({}), "");
}

TEST(Table, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(format_table({{"a\x1b[2J\n"}}), "a?[2J?\n");
}

TEST(Table, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(18446744073709551615ULL), "16.0 EiB");
}

TEST(Table, Durations) {
  EXPECT_EQ(format_microseconds(0), "0 µs");
  EXPECT_EQ(format_microseconds(64), "64 µs");
  EXPECT_EQ(format_microseconds(999.7), "1 ms");
  EXPECT_EQ(format_microseconds(32'768), "32.8 ms");
  EXPECT_EQ(format_microseconds(33'554'432), "33.6 s");
  EXPECT_EQ(format_milliseconds(64), "0.064 ms");
}

TEST(Table, Ages) {
  EXPECT_EQ(format_age(-5), "0s");
  EXPECT_EQ(format_age(59), "59s");
  EXPECT_EQ(format_age(190), "3m10s");
  EXPECT_EQ(format_age(18'120), "5h2m");
  EXPECT_EQ(format_age(12 * 86'400 + 3 * 3600), "12d3h");
}

}  // namespace
}  // namespace fairlead
