// `phinetune data`: a data set -> some of its rows as the model sees them, and figures of all.
import { fail } from "../errors.js";
import { figuresText, rowHeading, type ShownRow, showRow, tokensText } from "./data_view.js";
import { createTransferView } from "./download.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";

export async function runData({ options, terminal }: Invocation<"data">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const [
    { resolveModel },
    { openDataset, trainSplits },
    { finished },
    { openBaseModel },
    { loadTokenizer },
    { prepareDataset },
    { lengthLimit, paddingId },
    { packingFigures },
    { trainSchema },
  ] = await Promise.all([
    import("../hub/resolve.js"),
    import("../hub/dataset.js"),
    import("../hub/progress.js"),
    import("../models/base_model.js"),
    import("../formats/tokenizer.js"),
    import("../data/prepare.js"),
    import("../data/encode.js"),
    import("../data/batches.js"),
    import("../options/train.js"),
  ]);
  const { signal, show, end } = createTransferView(log);
  const { datasetSplit: split, datasetConfig: config } = options;
  const find = async () => ({
    folder: await finished(resolveModel(options.model, { signal }), show),
    dataset: await finished(
      openDataset(options.dataset, { split, config, preferred: trainSplits }, { signal }),
      show,
    ),
  });
  const { folder, dataset } = await find().finally(end);
  const base = await openBaseModel(folder);
  const tokenizer = await loadTokenizer(base.folder);
  const { completionOnlyLoss, trainOnEos, rows, start } = options;
  const maxLength = lengthLimit(options.maxLength, base.config.maxPositions);
  const { format, encoded, dropped, statistics } = await prepareDataset({
    rows: dataset.rows(),
    tokenizer,
    vocabSize: base.config.vocabSize,
    maxLength,
    completionOnlyLoss,
    trainOnEos,
  });
  if (rows > 0 && start > encoded.length)
    fail("usage", `--start is ${start}; there are ${encoded.length} rows to show`);
  // In batches as `train` makes them unless told otherwise.
  const { perDeviceTrainBatchSize, seed, groupByLength } = trainSchema.table;
  const packing = packingFigures(encoded, {
    batchSize: perDeviceTrainBatchSize.default,
    seed: seed.default,
    epoch: 0,
    groupByLength: groupByLength.default,
    padTokenId: paddingId(tokenizer),
    packedLength: options.packing ? maxLength : undefined,
  });
  const shown: ShownRow[] = encoded
    .slice(start - 1, start - 1 + rows)
    .map((row, i) => showRow(row, start + i, tokenizer));
  if (json) {
    out.write(
      `${JSON.stringify({ format, statistics, ...(packing ? { packing } : {}), dropped, rows: shown })}\n`,
    );
    return 0;
  }
  for (const row of shown) out.write(`${rowHeading(row, out)}\n${tokensText(row, out)}\n\n`);
  out.write(figuresText(format, statistics, maxLength, packing, out));
  return 0;
}
