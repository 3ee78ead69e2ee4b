#include "tools/fairlead/top_rates.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "tools/fairlead/snapshot.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

constexpr double kBitsPerByte = 8;
constexpr double kMicro = 1e6;

double number(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

// Of two looks at the same thing.
class Difference {
 public:
  // Without `before`: everything happened in between.
  Difference(const Json* before, const Json& after, double seconds)
      : before_(before), after_(after), seconds_(seconds) {}

  double of(const char* name) const {
    const double now = number(after_, name);
    const double then = before_ == nullptr ? 0 : number(*before_, name);
    return now < then ? now : now - then;
  }

  double per_second(const char* name) const { return seconds_ > 0 ? of(name) / seconds_ : 0; }

  Difference within(const char* name) const {
    const auto has = [&](const Json* object) { return object != nullptr && object->contains(name); };
    static const Json nothing = Json::object();
    return {has(before_) ? &before_->at(name) : nullptr, has(&after_) ? after_.at(name) : nothing, seconds_};
  }

  std::vector<std::uint64_t> counts(const char* name) const {
    std::vector<std::uint64_t> now = counts_of(after_, name);
    if (before_ == nullptr) return now;
    const std::vector<std::uint64_t> then = counts_of(*before_, name);
    if (then.size() != now.size() || !std::ranges::equal(then, now, std::ranges::less_equal())) return now;
    std::ranges::transform(now, then, now.begin(), std::minus());
    return now;
  }

 private:
  static std::vector<std::uint64_t> counts_of(const Json& object, const char* name) {
    std::vector<std::uint64_t> counts;
    const auto found = object.find(name);
    if (found == object.end() || !found->is_array()) return counts;
    for (const Json& count : *found)
      counts.push_back(count.is_number_unsigned() ? count.get<std::uint64_t>() : 0);
    return counts;
  }

  const Json* before_;
  const Json& after_;
  double seconds_;
};

// The bound that `share` of them did not exceed.
Json percentile(const std::vector<std::uint64_t>& counts, const Json& bounds, double share) {
  const auto all = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (all == 0) return nullptr;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < counts.size() && i < bounds.size(); ++i) {
    sum += counts[i];
    if (static_cast<double>(sum) >= share * static_cast<double>(all)) return bounds[i].get<double>() * kMicro;
  }
  return nullptr;
}

Json percentiles(const std::vector<std::uint64_t>& counts, const Json& bounds) {
  return {{"p50", percentile(counts, bounds, 0.5)}, {"p99", percentile(counts, bounds, 0.99)}};
}

double ratio(double sum, double count) {
  return count > 0 ? sum / count : 0;
}

Json transfers_rate(const Difference& transfers) {
  return {{"bitsPerSecond", transfers.per_second("bytes") * kBitsPerByte},
          {"bytesPerCall", ratio(transfers.of("bytes"), transfers.of("count"))}};
}

Json shard_rates(const Difference& shard, const Json& after) {
  return {{"cpu", shard.per_second("userSeconds") + shard.per_second("systemSeconds")},
          {"userSpace", shard.per_second("turnSeconds")},
          {"turnsPerSecond", shard.per_second("turns")},
          {"wakeUpsPerSecond", shard.per_second("wakeUps")},
          {"preemptionsPerSecond", shard.per_second("preemptions")},
          {"completionsPerTurn", ratio(shard.of("completions"), shard.of("turns"))},
          {"turnMicroseconds", ratio(shard.of("turnSeconds") * kMicro, shard.of("turns"))},
          {"linkIn", transfers_rate(shard.within("linkReceives"))},
          {"linkOut", transfers_rate(shard.within("linkSends"))},
          {"applicationIn", transfers_rate(shard.within("applicationReceives"))},
          {"applicationOut", transfers_rate(shard.within("applicationSends"))},
          {"connections", number(after, "connections")},
          {"streams", number(after, "streams")}};
}

Json link_rates(const Difference& link, const Json& after, const Json& bounds) {
  return {{"name", after.value("name", "")},
          {"direction", after.value("direction", "")},
          {"siteName", after.value("siteName", "")},
          {"state", after.value("state", "")},
          {"rttMicroseconds", number(after, "rttMicroseconds")},
          {"inBitsPerSecond", link.per_second("bytesIn") * kBitsPerByte},
          {"outBitsPerSecond", link.per_second("bytesOut") * kBitsPerByte},
          {"streams", number(after, "streams")},
          {"openedPerSecond", link.per_second("streamsOpened")},
          {"resetsPerSecond", link.per_second("resets")},
          {"queueingMicroseconds", percentiles(link.counts("queueing"), bounds)}};
}

Json key_rates(const Difference& key, const Json& after, const Json& bounds) {
  return {{"routingKey", after.value("routingKey", "")},
          {"side", after.value("side", "")},
          {"connections", number(after, "connections")},
          {"openedPerSecond", key.per_second("opened")},
          {"failedPerSecond", key.per_second("failed")},
          {"inBitsPerSecond", key.per_second("bytesIn") * kBitsPerByte},
          {"outBitsPerSecond", key.per_second("bytesOut") * kBitsPerByte},
          {"latencyMicroseconds", percentiles(key.counts("latency"), bounds)}};
}

bool same(const Json& a, const Json& b, const std::vector<const char*>& names) {
  return std::ranges::all_of(names, [&](const char* name) { return a.value(name, Json()) == b.value(name, Json()); });
}

const Json* find_same(const Json& list, const Json& item, const std::vector<const char*>& names) {
  const auto found = std::ranges::find_if(list, [&](const Json& other) { return same(other, item, names); });
  return found == list.end() ? nullptr : &*found;
}

void put_busiest_first(Json& list) {
  const auto traffic = [](const Json& item) {
    return number(item, "inBitsPerSecond") + number(item, "outBitsPerSecond");
  };
  // Those that carry as much stay in their order.
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t i = 0; i < list.size(); ++i)
    order.emplace_back(-traffic(list[i]), i);
  std::ranges::sort(order);
  Json sorted = Json::array();
  for (const auto& [less, i] : order)
    sorted.push_back(std::move(list[i]));
  list = std::move(sorted);
}

const Json& list_at(const Json& document, const char* name) {
  static const Json none = Json::array();
  const auto found = document.find(name);
  return found != document.end() && found->is_array() ? *found : none;
}

// Figures of a shard never become less while it lives.
bool started_anew(const Json& before, const Json& after) {
  const Json& then = list_at(before, "shards");
  const Json& now = list_at(after, "shards");
  const auto became_less = [&](std::size_t i) { return number(now[i], "turns") < number(then[i], "turns"); };
  for (std::size_t i = 0; i < then.size() && i < now.size(); ++i) {
    if (became_less(i)) return true;
  }
  return then.size() != now.size();
}

// ---- for people

std::string count_text(double value) {
  if (value < 9.95) return fmt::format("{:.1f}", value);
  if (value < 9999.5) return fmt::format("{:.0f}", value);
  if (value < 999'500) return fmt::format("{:.1f}k", value / 1e3);
  return fmt::format("{:.1f}M", value / 1e6);
}

std::string whole_text(double value) {
  return value < 9999.5 ? fmt::format("{:.0f}", value) : count_text(value);
}

std::string percent(double share) {
  return fmt::format("{:.0f} %", share * 100);
}

std::string bytes_text(const Json& transfers) {
  const double bytes = number(transfers, "bytesPerCall");
  return bytes > 0 ? format_bytes(static_cast<std::uint64_t>(bytes)) : std::string();
}

// Bounds of a histogram: what is told is that it was not longer.
std::string bound_text(const Json& percentiles, const char* name) {
  const auto found = percentiles.find(name);
  if (found == percentiles.end() || !found->is_number()) return {};
  return "≤" + format_microseconds(found->get<double>());
}

TableRow shard_row(std::size_t index, const Json& shard) {
  return {std::to_string(index),
          percent(number(shard, "cpu")),
          count_text(number(shard, "turnsPerSecond")),
          format_microseconds(number(shard, "turnMicroseconds")),
          count_text(number(shard, "completionsPerTurn")),
          count_text(number(shard, "wakeUpsPerSecond")),
          count_text(number(shard, "preemptionsPerSecond")),
          format_rate(number(shard.at("linkIn"), "bitsPerSecond")),
          bytes_text(shard.at("linkIn")),
          format_rate(number(shard.at("linkOut"), "bitsPerSecond")),
          bytes_text(shard.at("linkOut")),
          whole_text(number(shard, "connections")),
          whole_text(number(shard, "streams"))};
}

TableRow link_row(const Json& link) {
  const double rtt = number(link, "rttMicroseconds");
  const Json& queueing = link.at("queueingMicroseconds");
  return {text_at(link, "/name"),
          text_at(link, "/siteName"),
          text_at(link, "/direction"),
          text_at(link, "/state"),
          rtt > 0 ? format_microseconds(rtt) : std::string(),
          format_rate(number(link, "inBitsPerSecond")),
          format_rate(number(link, "outBitsPerSecond")),
          whole_text(number(link, "streams")),
          count_text(number(link, "openedPerSecond")),
          count_text(number(link, "resetsPerSecond")),
          bound_text(queueing, "p50"),
          bound_text(queueing, "p99")};
}

TableRow key_row(const Json& key) {
  const Json& latency = key.at("latencyMicroseconds");
  return {text_at(key, "/routingKey"),
          text_at(key, "/side"),
          whole_text(number(key, "connections")),
          count_text(number(key, "openedPerSecond")),
          count_text(number(key, "failedPerSecond")),
          format_rate(number(key, "inBitsPerSecond")),
          format_rate(number(key, "outBitsPerSecond")),
          bound_text(latency, "p50"),
          bound_text(latency, "p99")};
}

}  // namespace

Json make_rates(const Json& earlier, const Json& after) {
  const Json& before = started_anew(earlier, after) ? after : earlier;
  const double seconds = number(after, "atSeconds") - number(before, "atSeconds");
  const Json& bounds = list_at(after, "histogramBoundsSeconds");
  Json rates = {{"siteName", after.value("siteName", "")},
                {"seconds", seconds},
                {"connections", number(after, "connections")},
                {"draining", after.value("draining", false)}};
  for (const char* part : {"shards", "links", "keys"})
    rates[part] = Json::array();
  const Json& shards_before = list_at(before, "shards");
  const Json& shards = list_at(after, "shards");
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const Json* const then = i < shards_before.size() ? &shards_before[i] : nullptr;
    const double between = then == nullptr ? 0 : number(shards[i], "atSeconds") - number(*then, "atSeconds");
    rates["shards"].push_back(shard_rates({then, shards[i], between}, shards[i]));
  }
  for (const Json& link : list_at(after, "links")) {
    const Json* const then = find_same(list_at(before, "links"), link, {"name", "direction", "siteId", "number"});
    rates["links"].push_back(link_rates({then, link, seconds}, link, bounds));
  }
  for (const Json& key : list_at(after, "keys")) {
    const Json* const then = find_same(list_at(before, "keys"), key, {"routingKey", "side"});
    rates["keys"].push_back(key_rates({then, key, seconds}, key, bounds));
  }
  put_busiest_first(rates["links"]);
  put_busiest_first(rates["keys"]);
  return rates;
}

std::string top_summary(const Json& rates) {
  double cpu = 0;
  double in = 0;
  double out = 0;
  for (const Json& shard : rates.at("shards")) {
    cpu += number(shard, "cpu");
    in += number(shard.at("applicationIn"), "bitsPerSecond");
    out += number(shard.at("applicationOut"), "bitsPerSecond");
  }
  double opened = 0;
  double failed = 0;
  for (const Json& key : rates.at("keys")) {
    opened += number(key, "openedPerSecond");
    failed += number(key, "failedPerSecond");
  }
  const std::size_t shards = rates.at("shards").size();
  return fmt::format("site {}{}: CPU {} of {} shard{}, {} from applications, {} to them, {} connections, {}/s new, "
                     "{}/s failed",
                     text_at(rates, "/siteName"), rates.value("draining", false) ? " (draining)" : "", percent(cpu),
                     shards, shards == 1 ? "" : "s", format_rate(in), format_rate(out),
                     whole_text(number(rates, "connections")), count_text(opened), count_text(failed));
}

std::vector<TitledTable> top_tables(const Json& rates) {
  TitledTable shards{"Shards",
                     {{"SHARD", "CPU", "TURNS/S", "TURN", "EVENTS/TURN", "WAKE-UPS/S", "PREEMPTED/S", "LINK-IN",
                       "PER-CALL", "LINK-OUT", "PER-CALL", "CONNS", "STREAMS"}}};
  TitledTable links{"Links",
                    {{"NAME", "SITE", "DIRECTION", "STATE", "RTT", "IN", "OUT", "STREAMS", "NEW/S", "RESETS/S",
                      "QUEUED-P50", "QUEUED-P99"}}};
  TitledTable keys{"Routing keys",
                   {{"KEY", "SIDE", "CONNS", "NEW/S", "FAILED/S", "FROM-APPS", "TO-APPS", "LATENCY-P50",
                     "LATENCY-P99"}}};
  for (std::size_t i = 0; i < rates.at("shards").size(); ++i)
    shards.rows.push_back(shard_row(i, rates.at("shards")[i]));
  for (const Json& link : rates.at("links"))
    links.rows.push_back(link_row(link));
  for (const Json& key : rates.at("keys"))
    keys.rows.push_back(key_row(key));
  return {std::move(shards), std::move(links), std::move(keys)};
}

}  // namespace fairlead
