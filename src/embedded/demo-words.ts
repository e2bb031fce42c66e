/** Words that the demo's names are put together from. All invented or everyday; addresses and numbers are reserved ones. */

const split = (text: string): readonly string[] => text.trim().split(/\s*,\s*/)

export const firstNames = split(`
  Ada, Ben, Chiara, Dmitri, Elif, Femi, Greta, Hugo, Ines, Jonas, Kaya, Leo, Mira, Noor, Otto, Priya, Quentin, Rosa,
  Søren, Tomás, Uma, Viktor, Wanda, Xenia, Yusuf, Zoë, Amara, Bruno, Celine, Daniel, Esra, Felix, Grace, Hiro, Ivana,
  Jürgen, Kirsten, Luca, Maren, Nils, Olga, Pedro, Renée, Samir, Tessa, Ugo, Vera, Wim`)

export const lastNames = split(`
  Abbott, Baumann, Castell, Dvorak, Eriksen, Fontaine, Garrido, Holm, Ivers, Jansen, Keller, Lindström, Moreau, Núñez,
  Okafor, Pereira, Quist, Rossi, Sørensen, Tanaka, Ulrich, Vargas, Weber, Yilmaz, Zimmer, Adeyemi, Bianchi, Conrad, Duarte,
  Engel, Farkas, Grau, Hartmann, Iversen, Jovic, Kovač, Lang, Müller, Novak, Olsen, Pohl, Richter, Schaal, Thorne, Varga,
  Winter, Young, Zanetti`)

export const companyAdjectives = split(`
  Amber, Blue, Bright, Cedar, Clear, Copper, Crimson, Delta, Eastern, Elm, First, Forest, Golden, Granite, Green, Harbour,
  Highland, Iron, Ivory, Juniper, Lakeside, Lunar, Maple, Meridian, Modern, Northern, Oak, Pacific, Pioneer, Prime,
  Quarry, River, Royal, Silver, Solar, Southern, Stone, Summit, Union, Western`)

export const companyNouns = split(`
  Analytics, Bakeries, Brewing, Ceramics, Clinics, Components, Couriers, Dairies, Diagnostics, Electric, Energy, Farms,
  Fisheries, Foods, Forge, Foundry, Freight, Furniture, Gardens, Glass, Hotels, Instruments, Kitchens, Labs, Logistics,
  Machines, Media, Mills, Motors, Optics, Outfitters, Paper, Pharmacy, Plastics, Press, Robotics, Security, Systems,
  Textiles, Timber`)

export const companyForms = split('Ltd, GmbH, Inc, SA, BV, AB, Oy, SpA')

export const industries = split(`
  manufacturing, retail, healthcare, logistics, hospitality, energy, agriculture, media, education, construction`)

/** City and country, the same position in both. */
export const cities = split(`
  Amsterdam, Antwerp, Barcelona, Berlin, Bologna, Boston, Cape Town, Chicago, Copenhagen, Denver, Dublin, Ghent, Gothenburg,
  Hamburg, Helsinki, Kraków, Leeds, Lisbon, London, Lyon, Madrid, Malmö, Munich, Nantes, Osaka, Oslo, Porto, Rotterdam,
  Seattle, Sydney, Toronto, Turin, Utrecht, Valencia, Vienna, Zürich`)
export const countries = split(`
  NL, BE, ES, DE, IT, US, ZA, US, DK, US, IE, BE, SE, DE, FI, PL, GB, PT, GB, FR, ES, SE, DE, FR, JP, NO, PT, NL, US, AU,
  CA, IT, NL, ES, AT, CH`)

export const streets = split(`
  Bridge Street, Canal Road, Chapel Lane, Church Walk, Market Square, Mill Lane, New Road, Orchard Way, Park Avenue,
  Quay Street, School Lane, Station Road, Victoria Terrace, Water Street`)

export const departments = split('Sales, Support, Engineering, Finance, Operations, Marketing, People, Legal')

export const productAdjectives = split(`
  Compact, Heavy-duty, Foldable, Insulated, Magnetic, Modular, Outdoor, Precision, Quiet, Rechargeable, Reinforced, Slim,
  Stackable, Waterproof, Wireless`)

/** Things and their category, the same position in both. */
export const productThings = split(`
  Desk, Chair, Shelf, Cabinet, Lamp, Router, Headset, Keyboard, Monitor, Dock, Drill, Saw, Clamp, Level, Sander, Kettle,
  Blender, Grinder, Scale, Thermos`)
export const productCategories = split(`
  Furniture, Furniture, Furniture, Furniture, Lighting, Electronics, Electronics, Electronics, Electronics, Electronics,
  Tools, Tools, Tools, Tools, Tools, Kitchen, Kitchen, Kitchen, Kitchen, Kitchen`)

export const tags = split(
  'key account, newsletter, net-30, net-60, reseller, trial, referral, at risk, partner, legacy',
)

export const ticketSubjects = split(`
  Parcel arrived damaged, Invoice shows the wrong address, Cannot sign in to the portal, Delivery is late, Wrong item received,
  Question about warranty, Please cancel my order, Refund has not arrived, Missing part in the box, Discount was not applied,
  Need a copy of the invoice, Change of delivery address, Product stopped working, How do I return this, Duplicate charge`)

export const ticketReplies = split(`
  Thank you for your message; we are looking into it., A replacement is on its way., We have corrected the invoice.,
  Could you send us a photo of the label?, The refund was issued today., The carrier confirms delivery for tomorrow.,
  Please try again with the new link., We have changed the address.`)
