"""A GPU as a dry run counts it, and what is taken for granted of it."""

from dataclasses import dataclass

GIB = 2**30
REACHED_FLOPS = 0.3
"""Share of the peak that training reaches."""
REACHED_BANDWIDTH = 0.6
"""Share of the peak that decoding reaches."""
STEP_SECONDS = 0.003
"""Of a decoding step, beside the reading of memory."""
VLLM_OWN = 3 * GIB
"""What a vLLM takes of its share beside weights and cache: activations, graphs, buffers."""
CUDA_OWN = 2 * GIB
"""What CUDA and fragments take."""


@dataclass(frozen=True)
class Gpu:
    """memory: bytes that programs see. flops: of dense bfloat16 products a second; bandwidth: of
    its memory, bytes a second; both as its data sheet has them."""

    memory: int
    flops: float
    bandwidth: float

    def decoding_step(self, read: float) -> float:
        """Seconds for the next token of all sequences at once. read: bytes of weights and cache."""
        return STEP_SECONDS + read / (REACHED_BANDWIDTH * self.bandwidth)

    def learning(self, flops: float) -> float:
        return flops / (REACHED_FLOPS * self.flops)


H100 = Gpu(79 * GIB, 989e12, 3.35e12)
"""Of 80 GB, SXM: NVIDIA's data sheet, and the memory that torch sees."""
