#include "linux/same_memory.h"

#include "linux/kcmp.h"
#include "linux/proc_status.h"

namespace ipcdoctor::linux {

MemoryMarks read_memory_marks(const ProcDir& process) {
  const auto status = read_status(process);
  if (!status || status->peak_size_kb == 0) return {};
  return {true, status->peak_size_kb, status->peak_resident_kb};
}

Result<bool> share_memory(Pid a, Pid b) {
  const auto order = compare_tasks(Kcmp::Vm, Tid{a.value}, Tid{b.value});
  if (order) return *order == std::strong_ordering::equal;
  const auto of_a = ProcDir::open(a), of_b = ProcDir::open(b);
  if (!of_a || !of_b) return order.error();
  // What was the same before and after was so in between too.
  const MemoryMarks before = read_memory_marks(*of_a);
  const MemoryMarks other = read_memory_marks(*of_b);
  const MemoryMarks after = read_memory_marks(*of_a);
  if (before.known && other.known && before == after && before != other) return false;
  return order.error();
}

}  // namespace ipcdoctor::linux
