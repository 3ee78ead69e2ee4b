#include "router/site/apply_changes.h"

#include <chrono>
#include <functional>
#include <ranges>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "transport/base/log.h"

namespace fairlead {

namespace {

using Clock = std::chrono::steady_clock;

// A port that is given up is free once all shards have closed their sockets.
constexpr std::chrono::milliseconds kPortsFreeWithin{1500};
constexpr std::chrono::milliseconds kPortInterval{5};

// ---- one set of words for the kinds

std::string label_of(const AccessConfig& access) {
  return label(RouterAccess::kKind, access.name);
}

std::string label_of(const ListenerConfig& listener) {
  return label(Listener::kKind, listener.name);
}

std::string label_of(const ConnectorConfig& connector) {
  return label(Connector::kKind, connector.name);
}

std::string label_of(const LinkConfig& link) {
  return label(Link::kKind, link.name);
}

const std::string& host_of(const AccessConfig& access) {
  return access.bind_host;
}

const std::string& host_of(const ListenerConfig& listener) {
  return listener.host;
}

Result<void> add(Gateway& gateway, const AccessConfig& access) {
  return gateway.add_access(access);
}

Result<void> add(Gateway& gateway, const ListenerConfig& listener) {
  return gateway.add_listener(listener);
}

Result<void> add(Gateway& gateway, const ConnectorConfig& connector) {
  return gateway.add_connector(connector);
}

Result<void> add(Gateway& gateway, const LinkConfig& link) {
  return gateway.add_link(link);
}

Result<void> set(Gateway& gateway, const AccessConfig& access) {
  return gateway.set_access(access);
}

Result<void> set(Gateway& gateway, const ListenerConfig& listener) {
  return gateway.set_listener(listener);
}

Result<void> set(Gateway& gateway, const ConnectorConfig& connector) {
  return gateway.set_connector(connector);
}

Result<void> set(Gateway& gateway, const LinkConfig& link) {
  return gateway.set_link(link);
}

Result<void> remove(Gateway& gateway, const AccessConfig& access) {
  return gateway.remove_access(access.name);
}

Result<void> remove(Gateway& gateway, const ListenerConfig& listener) {
  return gateway.remove_listener(listener.name);
}

Result<void> remove(Gateway& gateway, const ConnectorConfig& connector) {
  return gateway.remove_connector(connector.name);
}

Result<void> remove(Gateway& gateway, const LinkConfig& link) {
  return gateway.remove_link(link.name);
}

class Application {
 public:
  Application(const ConfigChanges& changes, Gateway& gateway) : changes_(changes), gateway_(gateway) {
    note_wanted(changes.accesses);
    note_wanted(changes.listeners);
  }

  Result<void> run(const GatewayConfig& after) {
    give_up_ports(changes_.accesses);
    give_up_ports(changes_.listeners);
    auto taken = take_ports(changes_.accesses);
    if (taken) taken = take_ports(changes_.listeners);
    if (!taken) {
      for (const auto& step : std::views::reverse(undo_))
        step();
      return taken;
    }
    // Connectors first and links last, so that whoever comes already finds everything.
    change_all(changes_.connectors);
    change_all(changes_.links);
    remove_left(changes_.accesses);
    remove_left(changes_.listeners);
    if (changes_.link_options || changes_.latency) gateway_.set_options(make_transport_options(after));
    return {};
  }

 private:
  template <class Config>
  static bool moves(const typename ChangedItems<Config>::Pair& pair) {
    return pair.before.port != pair.after.port || host_of(pair.before) != host_of(pair.after);
  }

  template <class Config>
  void note_wanted(const ChangedItems<Config>& items) {
    for (const Config& item : items.added)
      wanted_.insert(item.port);
    for (const auto& pair : items.changed) {
      if (moves<Config>(pair)) wanted_.insert(pair.after.port);
    }
  }

  // Ports that another one of ours is to have.
  template <class Config>
  void give_up_ports(const ChangedItems<Config>& items) {
    for (const Config& item : items.removed)
      give_up_port(item);
    for (const auto& pair : items.changed) {
      if (moves<Config>(pair)) give_up_port(pair.before);
    }
  }

  template <class Config>
  void give_up_port(const Config& item) {
    if (!wanted_.contains(item.port)) return;
    if (auto removed = remove(gateway_, item); !removed) return log_error("{}", removed.error().message);
    given_up_.insert(item.port);
    gone_.insert(label_of(item));
    undo_.push_back([this, item] { must(add_patiently(item)); });
  }

  template <class Config>
  Result<void> take_ports(const ChangedItems<Config>& items) {
    for (const auto& pair : items.changed) {
      if (gone_.contains(label_of(pair.after))) {
        if (auto added = take_port(pair.after); !added) return added;
        continue;
      }
      if (auto changed = set(gateway_, pair.after); !changed) return named(pair.after, changed);
      undo_.push_back([this, before = pair.before] { must(set(gateway_, before)); });
    }
    for (const Config& item : items.added) {
      if (auto added = take_port(item); !added) return added;
    }
    return {};
  }

  template <class Config>
  Result<void> take_port(const Config& item) {
    if (auto added = add_patiently(item); !added) return named(item, added);
    undo_.push_back([this, item] { must(remove(gateway_, item)); });
    return {};
  }

  template <class Config>
  Result<void> add_patiently(const Config& item) {
    const auto give_up = Clock::now() + kPortsFreeWithin;
    auto added = add(gateway_, item);
    while (!added && added.error().code == ErrorCode::kDuplicate && given_up_.contains(item.port) &&
           Clock::now() < give_up) {
      std::this_thread::sleep_for(kPortInterval);
      added = add(gateway_, item);
    }
    return added;
  }

  template <class Config>
  void change_all(const ChangedItems<Config>& items) {
    for (const Config& item : items.added)
      must(named(item, add(gateway_, item)));
    for (const auto& pair : items.changed)
      must(named(pair.after, set(gateway_, pair.after)));
    for (const Config& item : items.removed)
      must(remove(gateway_, item));
  }

  template <class Config>
  void remove_left(const ChangedItems<Config>& items) {
    for (const Config& item : items.removed) {
      if (!gone_.contains(label_of(item))) must(remove(gateway_, item));
    }
  }

  template <class Config>
  static Result<void> named(const Config& item, Result<void> result) {
    if (result) return result;
    return fail(result.error().code, fmt::format("{}: {}", label_of(item), result.error().message));
  }

  // What validated resources leave no reason to fail for.
  static void must(const Result<void>& result) {
    if (!result) log_error("{}", result.error().message);
  }

  const ConfigChanges& changes_;
  Gateway& gateway_;
  std::set<std::uint16_t> wanted_;
  std::set<std::uint16_t> given_up_;
  std::set<std::string> gone_;  // labels of what gave up its port
  std::vector<std::function<void()>> undo_;
};

}  // namespace

Result<void> apply_changes(const ConfigChanges& changes, const GatewayConfig& after, Gateway& gateway) {
  return Application(changes, gateway).run(after);
}

}  // namespace fairlead
