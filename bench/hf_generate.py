"""A model folder -> tokens a second of greedy generation by transformers, as one JSON line.

    python bench/hf_generate.py --model DIR [--batch 1] [--prompt 64] [--new 64] [--bf16] [--threads 2]

Random prompts of equal length, key/value cache, no end token. A short warm-up does not count.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=64)
    parser.add_argument("--new", type=int, default=64)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()

    import torch
    import transformers

    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    dtype = torch.bfloat16 if options.bf16 else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype).eval()
    torch.manual_seed(0)
    prompts = torch.randint(0, model.config.vocab_size, (options.batch, options.prompt))

    def generate(count: int) -> float:
        started = time.perf_counter()
        with torch.inference_mode():
            model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                max_new_tokens=count,
                min_new_tokens=count,
                do_sample=False,
                pad_token_id=0,
            )
        return time.perf_counter() - started

    generate(8)
    seconds = generate(options.new)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024
    result = {"program": "transformers", "dtype": str(dtype), "batch": options.batch, "seconds": seconds}
    print(json.dumps({**result, "tokens_per_second": options.batch * options.new / seconds, "peak_rss_mib": round(peak)}))


if __name__ == "__main__":
    main()
