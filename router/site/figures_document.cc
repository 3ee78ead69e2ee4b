#include "router/site/figures_document.h"

#include <vector>

#include "router/site/link_numbers.h"
#include "router/site/status_documents.h"

namespace fairlead {

namespace {

using Json = nlohmann::ordered_json;

double seconds(Duration duration) {
  return static_cast<double>(duration.ns) / 1e9;
}

Json to_json(const Transfers& transfers) {
  return {{"count", transfers.count}, {"bytes", transfers.bytes}};
}

// They come a few times a second, one after the other.
double mean_of_reports(const std::vector<ShardStatus>& shards) {
  double sum = 0;
  for (const ShardStatus& shard : shards)
    sum += seconds({shard.at.ns});
  return shards.empty() ? 0 : sum / static_cast<double>(shards.size());
}

Json shard_document(const ShardStatus& shard) {
  const LoopFigures& loop = shard.loop;
  return {{"atSeconds", seconds({shard.at.ns})},
          {"turns", shard.turns.count()},
          {"turnSeconds", static_cast<double>(shard.turns.sum_ns()) / 1e9},
          {"completions", loop.completions},
          {"userSeconds", seconds(loop.thread.user)},
          {"systemSeconds", seconds(loop.thread.system)},
          {"wakeUps", loop.thread.wake_ups},
          {"preemptions", loop.thread.preemptions},
          {"linkSends", to_json(loop.link_sends)},
          {"linkReceives", to_json(loop.link_receives)},
          {"applicationSends", to_json(loop.edge_sends)},
          {"applicationReceives", to_json(loop.edge_receives)},
          {"connections", shard.usage.edges},
          {"streams", shard.usage.streams},
          {"sessions", shard.usage.sessions}};
}

std::uint64_t sum_of(const ResetCounts& resets) {
  std::uint64_t sum = 0;
  for (std::size_t code = 0; code < kResetCodes; ++code)
    sum += resets.of(static_cast<ResetCode>(code));
  return sum;
}

Json link_document(const LinkStatus& link, unsigned number) {
  const bool up = link.state == LinkPhase::kUp;
  return {{"name", link.name},
          {"direction", link.incoming ? "incoming" : "outgoing"},
          {"siteName", link.remote_site_name},
          {"siteId", link.remote_site_id},
          {"number", number},
          {"state", name_of(link.state)},
          {"rttMicroseconds", up ? link.rtt.microseconds() : 0},
          {"streams", link.streams},
          {"streamsOpened", link.streams_total},
          {"bytesIn", link.bytes_in},
          {"bytesOut", link.bytes_out},
          {"resets", sum_of(link.resets)},
          {"queueing", link.queueing.counts()}};
}

Json key_document(const KeyStatus& key) {
  return {{"routingKey", key.routing_key},
          {"side", key.side == KeySide::kClients ? "listener" : "connector"},
          {"connections", key.figures.open},
          {"opened", key.figures.opened},
          {"failed", sum_of(key.figures.failed)},
          {"bytesIn", key.figures.bytes_in},
          {"bytesOut", key.figures.bytes_out},
          {"latency", key.figures.latency.counts()}};
}

}  // namespace

Json make_figures_document(const GatewayStatus& gateway) {
  Json document = {{"siteName", gateway.site_name},
                   {"siteId", gateway.site_id},
                   {"draining", gateway.draining},
                   {"connections", gateway.connections},
                   {"atSeconds", mean_of_reports(gateway.shard_statuses)}};
  Json& bounds = document["histogramBoundsSeconds"] = Json::array();
  for (std::size_t i = 0; i < DurationHistogram::kBounds; ++i)
    bounds.push_back(seconds(DurationHistogram::bound(i)));
  for (const char* part : {"shards", "links", "keys"})
    document[part] = Json::array();
  for (const ShardStatus& shard : gateway.shard_statuses)
    document["shards"].push_back(shard_document(shard));
  const std::vector<unsigned> numbers = number_links(gateway.links);
  for (std::size_t i = 0; i < gateway.links.size(); ++i)
    document["links"].push_back(link_document(gateway.links[i], numbers[i]));
  if (gateway.keys == nullptr) return document;
  for (const KeyStatus& key : *gateway.keys)
    document["keys"].push_back(key_document(key));
  return document;
}

}  // namespace fairlead
