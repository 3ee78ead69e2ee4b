// `fairlead top`: what the running gateway does, as rates, anew every few seconds. On a terminal a screen of its own;
// elsewhere, and with --count, plain text or a line of JSON each time.

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "router/site/files.h"
#include "router/site/yaml_writer.h"
#include "tools/fairlead/admin_client.h"
#include "tools/fairlead/commands.h"
#include "tools/fairlead/report.h"
#include "tools/fairlead/snapshot.h"
#include "tools/fairlead/table.h"
#include "tools/fairlead/top_rates.h"
#include "tools/fairlead/top_screen.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kTimeoutMs = 5000;

class Top {
 public:
  Top(NamespacePaths paths, const TopArguments& arguments)
      : paths_(std::move(paths)),
        arguments_(arguments),
        interval_(static_cast<std::int64_t>(arguments.interval_s * 1000)) {}

  int run() {
    if (!is_gateway_running(paths_.lock())) {
      print_not_running(paths_);
      return kExitFailed;
    }
    const bool terminal = ::isatty(STDOUT_FILENO) != 0 && ::isatty(STDIN_FILENO) != 0;
    return terminal && arguments_.format == OutputFormat::kTable && arguments_.count == 0 ? draw() : print();
  }

 private:
  Result<Json> look() const { return ask_gateway(paths_.admin_socket(), {"GET", "/v1/figures"}, kTimeoutMs); }

  int print() {
    auto before = look();
    const unsigned count = arguments_.count > 0 ? arguments_.count : 1;
    for (unsigned i = 0; before && i < count; ++i) {
      std::this_thread::sleep_for(interval_);
      auto after = look();
      if (!after) return failed(after.error());
      if (arguments_.format == OutputFormat::kTable && i > 0) fmt::print("\n");
      print_rates(make_rates(*before, *after));
      if (!flush_output()) return kExitFailed;
      before = std::move(after);
    }
    return before ? kExitOk : failed(before.error());
  }

  static int failed(const Error& error) {
    print_error(error);
    return kExitFailed;
  }

  void print_rates(const Json& rates) const {
    switch (arguments_.format) {
      case OutputFormat::kJson:
        return fmt::print("{}\n", rates.dump(-1, ' ', false, Json::error_handler_t::replace));
      case OutputFormat::kYaml:
        return fmt::print("---\n{}", to_yaml(rates));
      case OutputFormat::kTable:
        break;
    }
    fmt::print("{}\n", top_summary(rates));
    for (const TitledTable& table : top_tables(rates))
      fmt::print("\n{}\n{}", table.title, format_table(table.rows));
  }

  // A gateway that is away may come back: it is waited for.
  int draw() {
    auto screen = TopScreen::open();
    if (!screen) return failed(screen.error());
    auto before = look();
    bool paused = false;
    (*screen)->show(fmt::format("measuring for {} s", arguments_.interval_s), {});
    while (true) {
      const TopScreen::Key key = (*screen)->wait(interval_);
      if (key == TopScreen::Key::kQuit) return kExitOk;
      if (key == TopScreen::Key::kPause) paused = !paused;
      if (paused || key == TopScreen::Key::kPause) continue;
      auto after = look();
      if (before && after) {
        const Json rates = make_rates(*before, *after);
        (*screen)->show(top_summary(rates), top_tables(rates));
      } else if (!after) {
        (*screen)->show(fmt::format("{}; waiting for it", after.error().message), {});
      }
      before = std::move(after);
    }
  }

  const NamespacePaths paths_;
  const TopArguments& arguments_;
  const std::chrono::milliseconds interval_;
};

}  // namespace

int show_top(const CommonArguments& common, const TopArguments& arguments) {
  auto paths = find_namespace(common);
  return paths ? Top(std::move(*paths), arguments).run() : kExitFailed;
}

}  // namespace fairlead
