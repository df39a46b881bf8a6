// Nothing -> opinions about things: praise and complaints, each with what it is about.

export interface Opinion {
  readonly praise: readonly string[];
  readonly complaints: readonly string[];
}

const shared: Opinion = {
  praise: [
    "I [really |]liked the {it}",
    "the {it} was wonderful",
    "the {it} was [very |really |]good",
    "what a great {it}",
    "I enjoyed the {it} [a lot|very much]",
    "this is the best {it} I know",
    "the {it} was excellent",
    "I was [very |]pleased with the {it}",
    "I love this {it}",
    "the {it} made me happy",
    "the {it} is perfect for me",
    "everything about the {it} was lovely",
    "a beautiful {it}",
  ],
  complaints: [
    "I did not like the {it}",
    "the {it} was terrible",
    "the {it} was [very |really |]bad",
    "what an awful {it}",
    "I hated the {it}",
    "this is the worst {it} I know",
    "the {it} was horrible",
    "I was not pleased with the {it}",
    "the {it} made me angry",
    "the {it} was a waste of money",
    "the {it} was boring",
    "everything about the {it} was wrong",
    "an ugly {it}",
  ],
};

const topics: readonly (Opinion & { readonly things: readonly string[] })[] = [
  {
    things: ["soup", "pizza", "cake", "meal", "salad", "breakfast", "dinner", "pie"],
    praise: [
      "it tasted fresh and sweet",
      "it was warm and tasty",
      "I ate it all",
      "I will order it again",
      "the cook did a fine job",
      "delicious",
    ],
    complaints: [
      "it was cold and tasted bad",
      "it was burnt",
      "I could not eat it",
      "I will never order it again",
      "the cook did a poor job",
      "it smelled of old fish",
    ],
  },
  {
    things: ["book", "film", "story", "play", "song", "concert", "show"],
    praise: [
      "it made me laugh",
      "I want to see it again",
      "it was full of good ideas",
      "it was never dull",
      "my friends loved it too",
      "the end was great",
    ],
    complaints: [
      "it made me sleepy",
      "I left before the end",
      "it had no good ideas",
      "it was dull and too long",
      "my friends hated it too",
      "the end was stupid",
    ],
  },
  {
    things: ["hotel", "room", "house", "camp", "tent"],
    praise: [
      "it was clean and quiet",
      "the people there were kind",
      "I slept very well",
      "we will come back",
      "the bed was soft",
      "the view was lovely",
    ],
    complaints: [
      "it was dirty and loud",
      "the people there were rude",
      "I could not sleep at all",
      "we will never come back",
      "the bed was broken",
      "it smelled bad",
    ],
  },
  {
    things: ["coat", "lamp", "bicycle", "clock", "bag", "chair", "phone", "shirt"],
    praise: [
      "it works very well",
      "it looks great",
      "it was worth the money",
      "it is strong and useful",
      "I use it every day",
      "my sister wants one too",
    ],
    complaints: [
      "it broke after one day",
      "it looks ugly",
      "it was much too expensive",
      "it is weak and useless",
      "I sent it back",
      "nobody should buy it",
    ],
  },
  {
    things: ["trip", "train", "bus", "tour", "flight", "party", "class"],
    praise: [
      "it was on time",
      "we had a lot of fun",
      "the guide was friendly",
      "I want to do it again",
      "everyone was smiling",
      "it was a happy day",
    ],
    complaints: [
      "it was very late",
      "it was no fun at all",
      "the guide was unfriendly",
      "I never want to do it again",
      "everyone was angry",
      "it was a sad day",
    ],
  },
];

/** Topics with the opinions that fit all of them added. */
export const reviewTopics = topics.map(({ things, praise, complaints }) => ({
  things,
  general: shared,
  special: { praise, complaints } satisfies Opinion,
}));
