// The send scheduler: what choosing a stream costs, among bulk and among streams that come and go, by their number.
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "transport/scheduler.h"

namespace fairlead {
namespace {

void serve_bulk(benchmark::State& state) {
  std::vector<ScheduleEntry> entries(static_cast<std::size_t>(state.range(0)));
  Scheduler scheduler;
  for (ScheduleEntry& entry : entries) scheduler.activate(entry);
  for (auto _ : state) {
    ScheduleEntry* entry = scheduler.next();
    scheduler.sent(*entry, 16'376, true);
  }
  state.SetItemsProcessed(state.iterations());
  for (ScheduleEntry& entry : entries) scheduler.remove(entry);
}
BENCHMARK(serve_bulk)->Arg(1)->Arg(16)->Arg(1024)->Arg(16'384);

// Each stream has one small request, is served, and comes back after all the others.
void serve_requests(benchmark::State& state) {
  std::vector<ScheduleEntry> entries(static_cast<std::size_t>(state.range(0)));
  Scheduler scheduler;
  std::size_t next = 0;
  for (auto _ : state) {
    scheduler.activate(entries[next]);
    if (++next == entries.size()) next = 0;
    ScheduleEntry* entry = scheduler.next();
    scheduler.sent(*entry, 64, false);
  }
  state.SetItemsProcessed(state.iterations());
  for (ScheduleEntry& entry : entries) scheduler.remove(entry);
}
BENCHMARK(serve_requests)->Arg(1)->Arg(16)->Arg(1024)->Arg(16'384);

}  // namespace
}  // namespace fairlead
