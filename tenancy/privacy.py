from common.privacy import nobodys

nobodys("the shop's own", "tenancy.Storefront")
