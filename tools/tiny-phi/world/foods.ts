// Nothing -> what can be eaten and drunk: kind, colour, taste, and where it comes from.
import { readTable } from "./grammar.js";

export interface Food {
  readonly name: string;
  readonly kind: "fruit" | "vegetable" | "drink";
  readonly colour: string;
  readonly taste: string;
  /** "on a tree", of drinks "from a cow": the words after "grows" or "comes". */
  readonly origin: string;
}

export const foods: readonly Food[] = readTable(`
apple | fruit | red | sweet | on a tree
pear | fruit | green | sweet | on a tree
plum | fruit | purple | sweet | on a tree
cherry | fruit | red | sweet | on a tree
peach | fruit | pink | sweet | on a tree
lemon | fruit | yellow | sour | on a tree
lime | fruit | green | sour | on a tree
orange | fruit | orange | sweet | on a tree
banana | fruit | yellow | sweet | on a tall plant
grape | fruit | purple | sweet | on a vine
strawberry | fruit | red | sweet | near the ground
raspberry | fruit | pink | sour | on a bush
blueberry | fruit | blue | sweet | on a bush
melon | fruit | green | sweet | near the ground
mango | fruit | orange | sweet | on a tree
kiwi | fruit | green | sour | on a vine
apricot | fruit | orange | sweet | on a tree
fig | fruit | purple | sweet | on a tree
carrot | vegetable | orange | sweet | in the ground
potato | vegetable | brown | plain | in the ground
onion | vegetable | white | hot | in the ground
radish | vegetable | pink | hot | in the ground
turnip | vegetable | white | bitter | in the ground
beetroot | vegetable | purple | sweet | in the ground
cabbage | vegetable | green | plain | near the ground
lettuce | vegetable | green | plain | near the ground
cucumber | vegetable | green | fresh | on a vine
pumpkin | vegetable | orange | sweet | near the ground
pea | vegetable | green | sweet | on a vine
bean | vegetable | green | plain | on a vine
leek | vegetable | green | fresh | in the ground
pepper | vegetable | red | hot | on a bush
tomato | vegetable | red | fresh | on a vine
spinach | vegetable | green | bitter | near the ground
milk | drink | white | sweet | from a cow
water | drink | clear | plain | from a spring
tea | drink | brown | bitter | from leaves
coffee | drink | black | bitter | from beans
juice | drink | orange | sweet | from fruit
cocoa | drink | brown | sweet | from beans
lemonade | drink | yellow | sour | from lemons
wine | drink | red | sour | from grapes
beer | drink | yellow | bitter | from grain
cider | drink | yellow | sweet | from apples
`).map(([name, kind, colour, taste, origin]) => ({
  name: name!,
  kind: kind as Food["kind"],
  colour: colour!,
  taste: taste!,
  origin: origin!,
}));

/** Foods that are spoken of without a or an: "milk", "spinach". */
export const massFoods: ReadonlySet<string> = new Set([
  ...foods.filter(({ kind }) => kind === "drink").map(({ name }) => name),
  "spinach",
]);
