// Transport::on_control: a call from another thread into the control thread, answered.
#pragma once

#include <optional>
#include <semaphore>
#include <type_traits>

#include "transport/transport.h"

namespace fairlead {

template <class Work>
auto Transport::on_control(Work work) {
  using Answer = std::invoke_result_t<Work&, Transport&>;
  std::binary_semaphore answered{0};
  if constexpr (std::is_void_v<Answer>) {
    requests_.post(make_task<Transport>([&](Transport& transport) {
      work(transport);
      answered.release();
    }));
    answered.acquire();
  } else {
    std::optional<Answer> answer;
    requests_.post(make_task<Transport>([&](Transport& transport) {
      answer.emplace(work(transport));
      answered.release();
    }));
    answered.acquire();
    return std::move(*answer);
  }
}

}  // namespace fairlead
